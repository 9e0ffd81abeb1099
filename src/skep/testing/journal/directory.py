"""The directory: find, list_entries."""
# ruff: noqa: S101 - pytest's assertions, on literal expectations

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from skep.core.directory import KINDS, added, removed
from skep.core.events import (
    AnyEvent,
    QuestionAnswered,
    QuestionAsked,
    QuestionClosed,
    RunFinished,
    SeniorAnswered,
    SeniorQueried,
    SessionAttached,
    SessionDetached,
    TaskPass,
    TokenMinted,
    TokenRevoked,
    WorkClaimed,
    WorkReleased,
)
from skep.core.outputs import Inline
from skep.errors import Fenced
from skep.journal.base import Entry, Recorded
from skep.testing.aio import in_loop, run
from skep.testing.journal.kit import Ear, NewStore, Part, events, examples, opened, settle

FINISHED = RunFinished(at=1, run_id="a", status="done")


def token(nonce: str) -> TokenMinted:
    """An event that adds the entry `token`, `nonce`."""
    return TokenMinted(at=1, session_id="S-1", nonce=nonce, principal="p", role="operator", expire_at=9)


def attached(nonce: str) -> SessionAttached:
    """An event that does the same, and takes the older tokens of the session away."""
    return SessionAttached(at=1, session_id="S-1", operator_id="o", role="operator", nonce=nonce, expire_at=9)


def revoked(nonce: str) -> TokenRevoked:
    """An event that takes the entry away."""
    return TokenRevoked(at=1, nonce=nonce)


def keys(entries: Sequence[Entry]) -> list[str]:
    return [entry.key for entry in entries]


def folded(recorded: Sequence[Recorded]) -> dict[tuple[str, str], Entry]:
    """What the directory must hold after these events."""
    held: dict[tuple[str, str], dict[str, dict[tuple[str, str], Entry]]] = {}
    homes: dict[tuple[str, str], dict[tuple[str, str], Entry]] = {}
    for item in recorded:
        for gone in removed(item.event):
            subjects = held.get((item.log, gone.kind), {})
            for subject in tuple(subjects) if gone.subject is None else (gone.subject,):
                subjects.pop(subject, {}).clear()
        for new in added(item.event):
            name = (new.kind, new.key)
            homes.get(name, {}).pop(name, None)
            home = homes[name] = held.setdefault((item.log, new.kind), {}).setdefault(new.subject, {})
            home[name] = Entry(new.kind, new.key, item.log, item.version, item.position)
    return {
        name: entry
        for subjects in held.values()
        for entries in subjects.values()
        for name, entry in entries.items()
    }


def asked(key: str) -> QuestionAsked:
    """An event that adds the entry `question`, `key`."""
    return QuestionAsked(at=1, key=key, question=Inline(Raw(b'"?"')), digest="d", audience=("senior",))


def claimed(key: str, handle: str, generation: int = 1) -> WorkClaimed:
    """An event that adds the entry `handle`, `handle`."""
    return WorkClaimed(
        at=1, key=key, task_id="T-1", holder="h", generation=generation, handle=handle, lease_until=9
    )


_LOGS: tuple[str, ...] = ("run:a", "session:b")
_WHAT = ("token", "revoked", "asked", "claimed", "answered", "closed", "released", "detached", "other", "end")
_numbered = st.tuples(st.sampled_from(_WHAT), st.integers(1, 3))
_steps = st.lists(
    st.tuples(st.sampled_from(_LOGS), st.lists(_numbered, min_size=1, max_size=5), st.booleans()), max_size=20
)


def _event(log: str, what: str, number: int) -> AnyEvent:
    """Events that meet: they add keys of `log`, end them, end the run, or are none of these."""
    key = f"{log} {number}"
    made: dict[str, Callable[[], AnyEvent]] = {
        "token": lambda: token(key),
        "revoked": lambda: revoked(key),
        "asked": lambda: asked(key),
        "claimed": lambda: claimed(f"{log} {number % 2}", key),
        "answered": lambda: QuestionAnswered(at=1, key=key, answer=Inline(Raw(b"1")), by="me"),
        "closed": lambda: QuestionClosed(at=1, key=key, reason="cancelled"),
        "released": lambda: WorkReleased(at=1, key=f"{log} {number % 2}", generation=1),
        "detached": lambda: SessionDetached(at=1, session_id="S"),
        "end": lambda: FINISHED,
    }
    return made.get(what, lambda: TaskPass(at=1, task_id="x"))()


class DirectoryContract(Part):
    """The directory: find, list_entries."""

    @in_loop
    async def test_an_entry_is_there_when_its_event_is_announced_and_says_where(
        self, new_store: NewStore
    ) -> None:
        async with opened(new_store()()) as journal:
            ear = Ear(journal)
            journal.append("run:a", 1, events("x", "y"))
            seq = journal.append("session:S", 1, [*events("z"), token("n1"), token("n2")])
            await settle(journal, seq)
            position = ear.recorded[-1].position
            assert await journal.find("token", "n1") == Entry("token", "n1", "session:S", 2, position)
            assert await journal.find("token", "n2") == Entry("token", "n2", "session:S", 3, position)
            assert await journal.read("session:S", 1, 1) != []
            assert await journal.find("question", "n1") is None
            assert [await journal.find("token", key) for key in ("n", "", "\udc80")] == [None] * 3

    @in_loop
    async def test_an_entry_goes_with_an_event_of_its_own_log_only(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            journal.append("session:S", 1, [token("n1"), token("n2"), token("n3")])
            journal.append("session:T", 1, [revoked("n1"), token("t")])
            await journal.flushed(journal.append("session:S", 4, [revoked("n2"), revoked("unknown")]))
            assert await journal.find("token", "n2") is None
            assert keys(await journal.list_entries("token")) == ["n1", "n3", "t"]
            again = journal.append("session:S", 6, [token("n2"), revoked("n3"), token("n3"), revoked("n1")])
            await journal.flushed(again)
            assert keys(await journal.list_entries("token", log="session:S")) == ["n2", "n3"]

    @in_loop
    async def test_the_entries_of_a_run_end_with_it(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            journal.append("session:S", 1, [token("n1")])
            journal.append("run:b", 1, [token("b")])
            await journal.flushed(journal.append("run:a", 1, [token("a1"), token("a2")]))
            await journal.flushed(journal.append("run:a", 3, [token("a3"), FINISHED]))
            assert await journal.list_entries("token", log="run:a") == []
            assert keys(await journal.list_entries("token")) == ["n1", "b"]

    @in_loop
    async def test_an_ended_question_is_found_when_its_run_has_ended(self, new_store: NewStore) -> None:
        ended = QuestionAnswered(at=1, key="R-1", answer=Inline(Raw(b"1")), by="me")
        async with opened(new_store()()) as journal:
            journal.append("run:a", 1, [asked("R-1"), ended])
            await journal.flushed(journal.append("run:a", 3, [asked("R-2"), FINISHED]))
            found = await journal.find("closed", "R-1")
            assert found is not None
            assert (found.log, found.version) == ("run:a", 2)
            assert await journal.list_entries("question") == []

    @in_loop
    async def test_a_question_goes_when_it_is_answered_or_closed(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            senior = SeniorQueried(
                at=1, key="R-senior-1", question=Inline(Raw(b'"?"')), digest="d", audience=("senior",)
            )
            journal.append("run:a", 1, [asked("q1"), asked("q2"), asked("q3"), senior])
            answer = Inline(Raw(b"1"))
            ends = (
                QuestionAnswered(at=1, key="q1", answer=answer, by="me"),
                QuestionClosed(at=1, key="q2", reason="timeout"),
                SeniorAnswered(at=1, key="R-senior-1", answer=answer, by="me"),
            )
            for number, (end, left) in enumerate(
                zip(ends, (["q2", "q3", "R-senior-1"], ["q3", "R-senior-1"], ["q3"]), strict=True), 5
            ):
                await journal.flushed(journal.append("run:a", number, [end]))
                assert keys(await journal.list_entries("question", log="run:a")) == left

    @in_loop
    async def test_a_handle_lasts_until_the_next_claim_the_release_or_the_end(
        self, new_store: NewStore
    ) -> None:
        async with opened(new_store()()) as journal:
            journal.append("run:a", 1, [asked("w1"), asked("w2"), claimed("w1", "h1"), claimed("w2", "h2")])
            await journal.flushed(journal.append("run:a", 5, [claimed("w1", "h3", 2)]))
            assert keys(await journal.list_entries("handle")) == ["h2", "h3"]
            await journal.flushed(journal.append("run:a", 6, [WorkReleased(at=1, key="w2", generation=1)]))
            assert keys(await journal.list_entries("handle")) == ["h3"]
            end = QuestionClosed(at=1, key="w1", reason="settled")
            await journal.flushed(journal.append("run:a", 7, [end]))
            assert await journal.list_entries("handle") == []
            assert keys(await journal.list_entries("question")) == ["w2"]

    @in_loop
    async def test_the_tokens_of_a_session_end_when_it_is_taken_up_again_or_detached(
        self, new_store: NewStore
    ) -> None:
        async with opened(new_store()()) as journal:
            journal.append("session:S", 1, [attached("n1"), attached("n2"), token("login")])
            await journal.flushed(journal.append("session:T", 1, [token("t")]))
            assert keys(await journal.list_entries("token")) == ["n2", "login", "t"]
            await journal.flushed(journal.append("session:S", 4, [SessionDetached(at=1, session_id="S")]))
            assert keys(await journal.list_entries("token")) == ["t"]
            await journal.flushed(journal.append("session:S", 5, [attached("n3")]))
            assert keys(await journal.list_entries("token", log="session:S")) == ["n3"]

    @in_loop
    async def test_a_token_is_found_as_issued_until_it_is_revoked(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            journal.append(
                "session:S", 1, [attached("n1"), SessionDetached(at=1, session_id="S"), attached("n2")]
            )
            await journal.flushed(journal.append("session:S", 4, [token("login")]))
            assert keys(await journal.list_entries("issued")) == ["n1", "n2", "login"]
            await journal.flushed(journal.append("session:S", 5, [revoked("n1"), revoked("login")]))
            assert keys(await journal.list_entries("issued")) == ["n2"]
            assert keys(await journal.list_entries("revoked")) == ["n1", "login"]

    @in_loop
    async def test_entries_are_listed_by_position_page_by_page(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            for number in range(6):
                version = 1 + number // 2 * 2
                pair = [token(f"{9 - number}a"), token(f"{9 - number}b")]
                await journal.flushed(journal.append(f"session:{number % 2}", version, pair))
            found = await journal.list_entries("token")
            assert keys(found) == ["9a", "9b", "8a", "8b", "7a", "7b", "6a", "6b", "5a", "5b", "4a", "4b"]
            assert found == sorted(found, key=lambda entry: (entry.position, entry.version))
            page = await journal.list_entries("token", limit=3)
            assert keys(page) == ["9a", "9b", "8a", "8b"], "a position is never cut in two"
            rest = await journal.list_entries("token", after=page[-1].position, limit=4)
            assert keys(rest) == ["7a", "7b", "6a", "6b"]
            of_log = await journal.list_entries("token", log="session:1", after=page[-1].position)
            assert keys(of_log) == ["6a", "6b", "4a", "4b"]
            assert await journal.list_entries("token", log="session:unknown") == []
            assert (
                await journal.list_entries("question") == await journal.list_entries("token", limit=0) == []
            )

    @in_loop
    async def test_several_journals_see_the_same_entries(self, new_store: NewStore) -> None:
        store = new_store()
        async with opened(store()) as ours, self.sharing(store) as theirs:
            await ours.flushed(ours.append("session:S", 1, [token("n1")]))
            await theirs.flushed(theirs.append("session:T", 1, [token("n2")]))
            for journal in (ours, theirs):
                assert keys(await journal.list_entries("token")) == ["n1", "n2"]
            await theirs.flushed(theirs.append("session:T", 2, [revoked("n2")]))
            assert await ours.find("token", "n2") is None

    @in_loop
    async def test_a_fenced_append_adds_nothing_and_takes_nothing_away(self, new_store: NewStore) -> None:
        async with opened(new_store()()) as journal:
            await journal.flushed(journal.append("run:a", 1, [token("n1")]))
            kept = journal.append("session:S", 1, [token("kept")])
            late = journal.append("run:a", 1, [token("late"), revoked("n1")])
            await journal.flushed(kept)
            with pytest.raises(Fenced):
                await journal.flushed(late)
            assert keys(await journal.list_entries("token")) == ["n1", "kept"]

    @in_loop
    async def test_entries_are_there_after_reopening(self, new_store: NewStore) -> None:
        self.reopening()
        store = new_store()
        async with opened(store()) as journal:
            journal.append("run:a", 1, [token("n1"), token("n2")])
        async with opened(store()) as journal:
            await journal.flushed(journal.append("run:a", 3, [revoked("n1")]))
            assert keys(await journal.list_entries("token", log="run:a")) == ["n2"]

    @examples
    @given(steps=_steps)
    def test_the_directory_is_a_fold_of_what_is_durable(
        self, new_store: NewStore, steps: list[tuple[str, list[tuple[str, int]], bool]]
    ) -> None:
        async def body() -> None:
            versions = dict.fromkeys(_LOGS, 1)
            async with opened(new_store()()) as journal:
                seq = 0
                for log, numbers, wait in steps:
                    seq = journal.append(log, versions[log], [_event(log, *what) for what in numbers])
                    versions[log] += len(numbers)
                    if wait:
                        await journal.flushed(seq)
                await journal.flushed(seq)
                expected = folded(await journal.read_all())
                for kind in KINDS:
                    assert {(kind, e.key): e for e in await journal.list_entries(kind)} == {
                        name: entry for name, entry in expected.items() if name[0] == kind
                    }
                for entry in expected.values():
                    assert await journal.find(entry.kind, entry.key) == entry

        run(body())
