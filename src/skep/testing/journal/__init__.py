"""The conformance suite of the journal port: every adapter passes it. Needs the `test` extra.

Derive a class in a test module and say how a store is made:

    class TestMyJournal(JournalContract):
        @pytest.fixture
        def new_store(self, tmp_path):
            numbers = itertools.count()

            def make(limits=DEFAULT_LIMITS):
                path = tmp_path / str(next(numbers))
                return lambda: MyJournal(path, limits=limits)

            return make

`new_store(limits)` names a new, empty store and returns a function; each call of that gives a journal on
this store, not yet opened. An adapter whose store ends with the journal object, or takes one at a time,
says so with `persistent = False` and `shared = False`. `pytest.register_assert_rewrite("skep.testing")` in a
conftest makes failures readable.
"""

from __future__ import annotations

from skep.testing.journal.blobs import BlobContract
from skep.testing.journal.directory import DirectoryContract
from skep.testing.journal.inbox import InboxContract
from skep.testing.journal.kit import NewStore, OpenJournal
from skep.testing.journal.ownership import OwnershipContract
from skep.testing.journal.persistence import PersistenceContract
from skep.testing.journal.reading import ReadingContract
from skep.testing.journal.runs import RunsContract
from skep.testing.journal.stream import StreamContract
from skep.testing.journal.writing import WritingContract


class JournalContract(
    WritingContract,
    ReadingContract,
    RunsContract,
    DirectoryContract,
    OwnershipContract,
    InboxContract,
    BlobContract,
    StreamContract,
    PersistenceContract,
):
    """The whole suite; see the module's text for how to use it."""


__all__ = ["JournalContract", "NewStore", "OpenJournal"]
