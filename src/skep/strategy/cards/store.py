"""Cards below `{home}/cards`: `PKG/ID.toml`, and `PKG/ID.samples.jsonl` beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import msgspec

from skep.errors import LimitExceeded, StrategyError
from skep.strategy.cards import toml
from skep.strategy.cards.fingerprint import fingerprint, model_short
from skep.strategy.cards.query import Row, matches, page
from skep.strategy.effects import Change
from skep.strategy.files import MAX_FILE, check_name, is_name, read

SCHEMA = "card/v0"
MAX_CARDS = 100_000
"""Cards that one query looks at."""
MAX_SAMPLES = 1_000_000


class Cards:
    """The cards of one home. The methods that change them return a `Change`, to be carried out under one lock."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "cards"

    # -- one card ------------------------------------------------------------------------------

    def create(self, given: Any, now: int) -> Change:
        """A new card; `{card_id, path}`. `now` is milliseconds since the epoch."""
        card = toml.without_nulls(_table(given, "alc.card.create: a table is needed"))
        pkg = inside(card, "pkg", "name")
        if not isinstance(pkg, str) or not pkg:
            raise StrategyError("alc.card.create: pkg.name is required")
        folder = self.folder / check_name(pkg, "pkg name")
        moment = datetime.fromtimestamp(now // 1_000, UTC)
        card.setdefault("schema_version", SCHEMA)
        card.setdefault("created_at", moment.strftime("%Y-%m-%dT%H:%M:%SZ"))
        card.setdefault("created_by", f"skep@{version('skep')}")
        if isinstance(card.get("params"), dict):
            card["param_fingerprint"] = fingerprint(card["params"])
        if not card.get("card_id"):
            card["card_id"] = self._new_id(card, pkg, moment)
        card_id = check_name(card["card_id"], "card_id")
        if self.path(card_id) is not None:
            raise StrategyError(f"alc.card.create: card '{card_id}' already exists (immutable)")
        path = folder / f"{card_id}.toml"
        return Change({"card_id": card_id, "path": str(path)}, path, toml.dump(card, "alc.card.create"))

    def get(self, card_id: Any) -> dict[str, Any] | None:
        path = self.path(card_id)
        return toml.load(path) if path is not None else None

    def append(self, card_id: Any, fields: Any) -> Change:
        """More top-level fields; the card as it is then."""
        what = "alc.card.append"
        path = self._needed(card_id, what)
        card = toml.load(path) or {}
        new = toml.without_nulls(_table(fields, f"{what}: fields must be a table"))
        for name in new:
            if name in card:
                raise StrategyError(f"{what}: key '{name}' already set on card '{card_id}' (immutable)")
        merged = card | new
        return Change(merged, path, toml.dump(merged, what))

    # -- samples -------------------------------------------------------------------------------

    def write_samples(self, card_id: Any, samples: Any) -> Change:
        """One JSON value a line, once; `{path, count}`."""
        what = "alc.card.write_samples"
        if not isinstance(samples, list):
            raise StrategyError(f"{what}: samples must be an array")
        rows = cast("list[Any]", samples)
        path = samples_of(self._needed(card_id, what))
        if path.exists():
            raise StrategyError(f"{what}: samples already exist for card '{card_id}' (write-once)")
        if len(rows) > MAX_SAMPLES:
            raise LimitExceeded("max_samples", MAX_SAMPLES, where=what)
        content = b"".join(msgspec.json.encode(row, order="sorted") + b"\n" for row in rows)
        if len(content) > MAX_FILE:
            raise LimitExceeded("file_bytes", MAX_FILE, where=what)
        return Change({"path": str(path), "count": len(rows)}, path, content)

    def read_samples(self, card_id: Any, query: Any = None) -> list[Any]:
        """The samples that `where` describes, then `offset`, then `limit`."""
        path = samples_of(self._needed(card_id, "alc.card.read_samples"))
        asked = options(query)
        where = asked.get("where")
        if where is not None:
            matches(where, {})
        lines = (read(path) or b"").splitlines()
        rows: list[Any] = [json_line(line, path, number) for number, line in enumerate(lines, 1)]
        if where is not None:
            rows = [row for row in rows if matches(where, _named(row))]
        return list(page(rows, asked.get("offset"), asked.get("limit")))

    # -- all of them ---------------------------------------------------------------------------

    def path(self, card_id: Any) -> Path | None:
        """Where a card lies; null if there is none of this id."""
        name = f"{check_name(card_id, 'card_id')}.toml"
        return next((folder / name for folder in self._packages(None) if (folder / name).is_file()), None)

    def every(self, pkg: Any = None) -> Iterator[dict[str, Any]]:
        """The cards of one package, or of all."""
        seen = 0
        for folder in self._packages(pkg):
            for path in sorted(folder.glob("*.toml")):
                seen += 1
                if seen > MAX_CARDS:
                    raise LimitExceeded("max_cards", MAX_CARDS, where=str(self.folder), fix="name a package")
                card = toml.load(path)
                if card is not None:
                    yield {"card_id": path.stem} | card

    def _packages(self, pkg: Any) -> list[Path]:
        if pkg is not None:
            return [self.folder / check_name(pkg, "pkg name")]
        try:
            return sorted(path for path in self.folder.iterdir() if path.is_dir() and is_name(path.name))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _needed(self, card_id: Any, what: str) -> Path:
        path = self.path(card_id)
        if path is None:
            raise StrategyError(f"{what}: card '{card_id}' not found")
        return path

    def _new_id(self, card: dict[str, Any], pkg: str, moment: datetime) -> str:
        hashed = fingerprint(card)[-6:]
        stem = f"{pkg}_{model_short(inside(card, 'model', 'id'))}_{moment:%Y%m%dT%H%M%S}_{hashed}"
        number, card_id = 1, stem
        while self.path(card_id) is not None:
            number += 1
            card_id = f"{stem}_{number}"
        return card_id


def summary(card: Row) -> dict[str, Any]:
    """A card as lists show it."""
    rate = inside(card, "stats", "pass_rate")
    shown = {
        "card_id": card.get("card_id"),
        "pkg": inside(card, "pkg", "name"),
        "created_at": card.get("created_at"),
        "model": inside(card, "model", "id"),
        "scenario": inside(card, "scenario", "name"),
        "pass_rate": float(rate) if type(rate) in (int, float) else None,
    }
    return {name: value for name, value in shown.items() if value is not None}


def newest_first(cards: Iterator[Row]) -> list[Row]:
    """By when they were made, then by id."""
    return sorted(
        cards, key=lambda card: (str(card.get("created_at", "")), str(card["card_id"])), reverse=True
    )


def json_line(line: bytes, path: Path, number: int) -> Any:
    """One line of samples. Raises `StrategyError`, which says where."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise StrategyError(f"is no JSON: {error}", where=f"{path}:{number}") from error


def samples_of(card: Path) -> Path:
    return card.with_name(f"{card.stem}.samples.jsonl")


def inside(card: Row, section: str, name: str) -> Any:
    found = card.get(section)
    return cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None


def _named(row: Any) -> Row:
    """A sample that is no object has no fields."""
    return cast("Row", row) if isinstance(row, dict) else {}


def _table(given: Any, complaint: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise StrategyError(complaint)
    return cast("dict[str, Any]", given)


def options(given: Any) -> dict[str, Any]:
    """Options of a query; an empty table may come as null."""
    return {} if given is None else _table(given, "a query must be a table")
