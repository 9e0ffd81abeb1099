"""The journal that lives in memory: for tests and for runs that nobody needs to recover."""

from __future__ import annotations

from skep.journal.memory.journal import MemoryJournal

__all__ = ["MemoryJournal"]
