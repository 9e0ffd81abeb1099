"""The directory's entries in memory: all of a `memory:` store, or what one commit of another store comes to."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from skep.core.directory import Kind, Removed, added, removed
from skep.core.events import AnyEvent
from skep.journal.base import Entry

_Name = tuple[Kind, str]
_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Directory:
    """Entries by kind and key, in order of position and version: that is the order in which they come."""

    def __init__(self) -> None:
        self._entries: dict[_Name, tuple[Entry, str]] = {}
        """With their subjects."""
        self._logs: dict[str, dict[_Name, Entry]] = {}
        self._subjects: dict[tuple[str, Kind, str], dict[_Name, None]] = {}

    def record(
        self, log: str, version: int, position: int, events: Sequence[AnyEvent]
    ) -> list[tuple[str, Removed]]:
        """Keep what `events`, the first of which is `version` of `log`, add; returns what they took away."""
        gone: list[tuple[str, Removed]] = []
        for number, event in enumerate(events, version):
            for removal in removed(event):
                gone.append((log, removal))
                self._remove(log, removal)
            for new in added(event):
                self._add(Entry(new.kind, new.key, log, number, position), new.subject)
        return gone

    def find(self, kind: Kind, key: str) -> Entry | None:
        """The entry with exactly this key."""
        found = self._entries.get((kind, key))
        return None if found is None else found[0]

    def list(self, kind: Kind, log: str | None, after: int, limit: int) -> list[Entry]:
        """Entries with position > `after`; a position is listed whole."""
        entries = self._logs.get(log, {}).values() if log is not None else map(_entry, self._entries.values())
        return whole_positions(
            (entry for entry in entries if entry.kind == kind and entry.position > after), limit
        )

    def subjects(self) -> Iterable[tuple[Entry, str]]:
        """Every entry with what it goes away with."""
        return self._entries.values()

    def forget(self, log: str, before: int | None = None) -> None:
        """Drop what events of `log` with a version < `before` brought; without it, all that the log brought."""
        for name, entry in tuple(self._logs.get(log, {}).items()):
            if before is None or entry.version < before:
                self._drop(name)

    def _add(self, entry: Entry, subject: str) -> None:
        name = (entry.kind, entry.key)
        self._drop(name)
        self._entries[name] = (entry, subject)
        self._logs.setdefault(entry.log, {})[name] = entry
        self._subjects.setdefault((entry.log, entry.kind, subject), {})[name] = None

    def _remove(self, log: str, gone: Removed) -> None:
        if gone.subject is None:
            names = [name for name in self._logs.get(log, ()) if name[0] == gone.kind]
        else:
            names = list(self._subjects.get((log, gone.kind, gone.subject), ()))
        for name in names:
            self._drop(name)

    def _drop(self, name: _Name) -> None:
        if name not in self._entries:
            return
        entry, subject = self._entries.pop(name)
        _discard(self._logs, entry.log, name)
        _discard(self._subjects, (entry.log, entry.kind, subject), name)


def whole_positions(entries: Iterable[Entry], limit: int) -> list[Entry]:
    """The first `limit` entries, and those that share the position of the last."""
    found: list[Entry] = []
    for entry in entries:
        if len(found) >= limit and (not found or entry.position != found[-1].position):
            break
        found.append(entry)
    return found


def _entry(item: tuple[Entry, str]) -> Entry:
    return item[0]


def _discard(groups: dict[_Key, dict[_Name, _Value]], key: _Key, name: _Name) -> None:
    group = groups[key]
    del group[name]
    if not group:
        del groups[key]
