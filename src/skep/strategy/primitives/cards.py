"""`alc.card`: what strategies write down of their runs, and find again (strategy runtime, 2.15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from skep.strategy.cards.aliases import Aliases
from skep.strategy.cards.lineage import lineage
from skep.strategy.cards.query import matches, ordered, page
from skep.strategy.cards.sinks import Sinks
from skep.strategy.cards.store import Cards, newest_first, options, summary
from skep.strategy.effects import Change
from skep.strategy.primitives.recorded import Recorded

SCOPE = "cards"
_LOOKS = ("get", "list", "find", "get_by_alias", "alias_list", "read_samples", "lineage", "sink_backfill")
_CHANGES = ("create", "append", "write_samples", "alias_set")
CARD_CALLS = tuple(f"card.{name}" for name in (*_LOOKS, *_CHANGES))

Now = Callable[[], int]


def card_calls(recorded: Recorded, cards: Cards, sinks: Sinks, now: Now) -> Mapping[str, Callable[..., Any]]:
    """Every name of `CARD_CALLS`; what is not given is null."""
    aliases = Aliases(cards)
    looks: Mapping[str, tuple[int, Callable[..., Any]]] = {
        "get": (1, cards.get),
        "list": (1, partial(listed, cards)),
        "find": (1, partial(find, cards)),
        "get_by_alias": (1, aliases.card),
        "alias_list": (1, aliases.every),
        "read_samples": (2, cards.read_samples),
        "lineage": (1, partial(lineage, cards)),
        "sink_backfill": (1, partial(sinks.backfill, cards)),
    }

    def create(given: Any) -> Change:
        return cards.create(given, now())

    def alias_set(name: Any, card_id: Any, more: Any) -> Change:
        return aliases.bind(name, card_id, more, now())

    changes: Mapping[str, tuple[int, Callable[..., Change]]] = {
        "create": (1, create),
        "append": (2, cards.append),
        "write_samples": (2, cards.write_samples),
        "alias_set": (3, alias_set),
    }

    def looking(name: str, number: int, do: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            arguments = _padded(given, number)
            return recorded.look(name, arguments, lambda: do(*arguments))

        return call

    def changing(name: str, number: int, do: Callable[..., Change]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            arguments = _padded(given, number)
            written: list[Path] = []

            def prepare() -> Change:
                change = do(*arguments)
                if change.path is not None:
                    written.append(change.path)
                return change

            reply = recorded.change(name, arguments, SCOPE, prepare)
            for path in written:
                sinks.mirror(path)
            return reply

        return call

    return {f"card.{name}": looking(f"card.{name}", *how) for name, how in looks.items()} | {
        f"card.{name}": changing(f"card.{name}", *how) for name, how in changes.items()
    }


def _padded(given: tuple[Any, ...], number: int) -> tuple[Any, ...]:
    """What is not given is null, and what is too much is not there."""
    return (*given, *(None,) * number)[:number]


def listed(cards: Cards, query: Any = None) -> list[dict[str, Any]]:
    """Summaries of a package's cards or all, the newest first."""
    return [summary(card) for card in newest_first(cards.every(options(query).get("pkg")))]


def find(cards: Cards, query: Any = None) -> list[dict[str, Any]]:
    """Summaries of what a query describes."""
    asked = options(query)
    where, order_by = asked.get("where"), asked.get("order_by")
    found = newest_first(cards.every(asked.get("pkg")))
    if where is not None:
        matches(where, {})
        found = [card for card in found if matches(where, card)]
    if order_by is not None:
        found = ordered(found, order_by)
    return [summary(card) for card in page(found, asked.get("offset"), asked.get("limit"))]
