"""Names for cards: `{home}/cards/_aliases.toml`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from skep.errors import StrategyError
from skep.strategy.cards import toml
from skep.strategy.cards.store import Cards, options
from skep.strategy.effects import Change
from skep.strategy.files import check_name

MAX_BYTES = 4 << 20


class Aliases:
    """The aliases of one home."""

    def __init__(self, cards: Cards) -> None:
        self._cards = cards
        self.path = cards.folder / "_aliases.toml"

    def every(self, query: Any = None) -> list[dict[str, Any]]:
        """Those of the package that the query names, or all, by name."""
        pkg = options(query).get("pkg")
        found = [alias for alias in self._load() if pkg is None or alias.get("pkg") == pkg]
        return sorted(found, key=lambda alias: str(alias["name"]))

    def bind(self, name: Any, card_id: Any, query: Any, now: int) -> Change:
        """Bind a name, anew if it was bound; the alias."""
        check_name(name, "alias name")
        if self._cards.path(card_id) is None:
            raise StrategyError(f"alc.card.alias_set: card '{card_id}' not found")
        more = options(query)
        alias = {
            "name": name,
            "card_id": card_id,
            "pkg": more.get("pkg"),
            "set_at": datetime.fromtimestamp(now // 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "note": more.get("note"),
        }
        alias = toml.without_nulls(alias)
        kept = [other for other in self._load() if other["name"] != name]
        return Change(alias, self.path, toml.dump({"alias": [*kept, alias]}, "alc.card.alias_set", MAX_BYTES))

    def card(self, name: Any) -> dict[str, Any] | None:
        """The card of a name; null if nothing has that name.

        Raises:
            StrategyError: the card is gone.
        """
        for alias in self._load():
            if alias["name"] == name:
                card = self._cards.get(alias.get("card_id"))
                if card is None:
                    raise StrategyError(
                        f"alc.card.get_by_alias: alias '{name}' names card '{alias.get('card_id')}', which is gone"
                    )
                return card
        return None

    def _load(self) -> list[dict[str, Any]]:
        found = (toml.load(self.path, MAX_BYTES) or {}).get("alias", [])
        if not isinstance(found, list) or not all(
            isinstance(alias, dict) and isinstance(cast("dict[str, Any]", alias).get("name"), str)
            for alias in cast("list[Any]", found)
        ):
            raise StrategyError("wants [[alias]] tables with a name", where=str(self.path))
        return cast("list[dict[str, Any]]", found)
