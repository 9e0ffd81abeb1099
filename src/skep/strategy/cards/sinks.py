"""Copies of cards elsewhere: `ALC_CARD_SINKS`, `file:///folder` addresses with `|` between (strategy runtime, 6.2)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from skep.errors import SkepError, StrategyError
from skep.strategy.cards.store import Cards, options, samples_of
from skep.strategy.files import locked, read, replace

log = logging.getLogger("skep.strategy")

VARIABLE = "ALC_CARD_SINKS"


class Sink(Struct):
    """One folder, and how often a copy into it has succeeded or failed."""

    uri: str
    folder: Path
    ok: int = 0
    err: int = 0


class Sinks:
    """The sinks of one host; a copy that fails is counted and logged, and harms nobody."""

    def __init__(self, cards: Path, given: str | None) -> None:
        self._cards = cards
        self.sinks: dict[str, Sink] = {}
        for uri in filter(None, (given or "").split("|")):
            folder = _folder(uri)
            if folder is None:
                log.warning("%s: %r is no file:///folder and is left out", VARIABLE, uri)
            else:
                self.sinks.setdefault(uri, Sink(uri, folder))

    def mirror(self, path: Path) -> None:
        """Copy one file of the cards to every sink."""
        for sink in self.sinks.values():
            try:
                self._copy(sink, path)
                sink.ok += 1
            except SkepError as error:
                sink.err += 1
                log.warning("a card was not copied: %s", error)

    def backfill(self, cards: Cards, query: Any) -> dict[str, Any]:
        """Copy what a sink does not have; what was copied, and what was not.

        Raises:
            StrategyError: no such sink.
        """
        asked = options(query)
        sink = self.sinks.get(asked.get("sink") or "")
        if sink is None:
            raise StrategyError(f"unknown sink: {asked.get('sink')}", fix=f"those of {VARIABLE} are known")
        report = _Report(sink.uri)
        for card in cards.every():
            path = cards.path(card["card_id"])
            if path is not None:
                self._fill(sink, path, report, dry=asked.get("dry_run") is True)
        return report.shown()

    def _fill(self, sink: Sink, path: Path, report: _Report, *, dry: bool) -> None:
        samples = samples_of(path)
        try:
            if self._missing(sink, path):
                report.pushed.append(path.stem)
                if not dry:
                    self._copy(sink, path)
            else:
                report.skipped.append(path.stem)
            if samples.exists() and self._missing(sink, samples):
                report.pushed_samples.append(path.stem)
                if not dry:
                    self._copy(sink, samples)
        except SkepError as error:
            report.failed.append([path.stem, str(error)])

    def _copy(self, sink: Sink, path: Path) -> None:
        with locked(sink.folder / ".lock"):
            replace(sink.folder / path.relative_to(self._cards), read(path) or b"")

    def _missing(self, sink: Sink, path: Path) -> bool:
        return not (sink.folder / path.relative_to(self._cards)).exists()


class _Report(Struct):
    sink: str
    pushed: list[str] = []
    skipped: list[str] = []
    failed: list[list[str]] = []
    pushed_samples: list[str] = []

    def shown(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__struct_fields__}


def _folder(uri: str) -> Path | None:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    path = unquote(parts.path)
    if parts.scheme != "file" or parts.netloc or not path.startswith("/") or "\0" in path:
        return None
    return Path(path)
