from __future__ import annotations

import itertools

import pytest

from skep.journal.memory import MemoryJournal
from skep.journal.sqlite import SqliteJournal
from skep.limits import DEFAULT_LIMITS
from skep.testing.journal import JournalContract


class TestMemoryJournal(JournalContract):
    persistent = False
    shared = False

    @pytest.fixture
    def new_store(self):
        return lambda limits=DEFAULT_LIMITS: lambda: MemoryJournal(limits)


class TestSqliteJournal(JournalContract):
    @pytest.fixture
    def new_store(self, tmp_path):
        numbers = itertools.count()

        def make(limits=DEFAULT_LIMITS):
            path = tmp_path / f"{next(numbers)}.db"
            return lambda: SqliteJournal(path, limits=limits)

        return make
