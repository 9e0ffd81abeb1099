"""The logs that tokens stand in: taken up when somebody shows a token that this process has not seen.

Each token minted or attached stands in the log of a session. Who owns that log counts the token's uses and records
its end; another process only reads it, anew at every look, so that it sees those ends too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from itertools import islice

from skep.core import events as ev
from skep.core.session_folds import HANDLERS
from skep.core.tokens import TokenRecord
from skep.engine.ledger import Ledger
from skep.engine.sessions.left_open import close_left_open
from skep.errors import LimitExceeded, RunOwned
from skep.journal.base import Recorded

FORGOTTEN = 100
"""Tokens that are forgotten at once: each gives a lease back."""


class TokenLogs:
    """Which logs of sessions this process owns or follows."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._followed: set[str] = set()
        self._busy = asyncio.Lock()
        self.owned: set[str] = set()
        self.on_owned: Callable[[str], None] = _nothing
        """Told which log was added to `owned`."""

    async def learn(self, nonce: str) -> None:
        """Have the record of a token, and of all that it was narrowed from, as they stand now."""
        state = self._ledger.state
        for _ in range(self._ledger.limits.token_depth + 2):
            record = state.token_record(nonce)
            if record is None:
                await self._find(nonce)
                record = state.token_record(nonce)
            elif (log := _log_of(record)) in self._followed:
                await self._catch_up(log)
            if record is None or record.parent is None:
                return
            nonce = record.parent

    async def begin(self, log: str) -> None:
        """Own a new log; nobody has it yet."""
        async with self._busy:
            await self._make_room()
            await self._ledger.journal.acquire(log)
            self._add(log)

    async def own(self, log: str) -> bool:
        """Try to own a log, with all that stands in it; false when another live process does."""
        async with self._busy:
            return await self._take(log)

    async def let_go(self, log: str) -> None:
        """Own a log no longer: nothing of it is needed here."""
        async with self._busy:
            await self._let_go(log)

    async def clear(self, log: str) -> None:
        """End what is open in the log of a session whose owner has died; the log stays nobody's."""
        journal = self._ledger.journal
        async with self._busy:
            if await journal.is_owned(log):
                return
            with contextlib.suppress(RunOwned):
                await journal.acquire(log)
                try:
                    await close_left_open(journal, log, self._ledger.now())
                finally:
                    await journal.release(log)

    async def clear_all(self) -> None:
        """The same for every session of the store in which something is asked."""
        after = 0
        while page := await self._ledger.journal.list_entries("question", after=after):
            after = page[-1].position
            for log in dict.fromkeys(entry.log for entry in page):
                if log.startswith("session:"):
                    await self.clear(log)

    def check_owned(self, record: TokenRecord) -> None:
        """Raises `RunOwned` when the uses of this token are another process's to count."""
        if _log_of(record) in self._followed:
            raise RunOwned(
                "the uses of this token are counted by another process",
                fix="use it there, or end that process",
            )

    # -- inside --------------------------------------------------------------------------------

    async def _find(self, nonce: str) -> None:
        journal = self._ledger.journal
        entry = await journal.find("token", nonce) or await journal.find("revoked", nonce)
        if entry is None:
            return
        async with self._busy:
            await self._make_room()
            await self._take(entry.log)

    async def _take(self, log: str) -> bool:
        if log in self.owned:
            return True
        if self._ledger.version(log) and log not in self._followed:
            return True
        try:
            await self._ledger.journal.acquire(log)
        except RunOwned:
            self._followed.add(log)
            await self._read_on(log)
            return False
        await close_left_open(self._ledger.journal, log, self._ledger.now())
        await self._read_on(log)
        self._followed.discard(log)
        self._add(log)
        return True

    def _add(self, log: str) -> None:
        self.owned.add(log)
        self.on_owned(log)

    async def _catch_up(self, log: str) -> None:
        async with self._busy:
            await self._read_on(log)

    async def _read_on(self, log: str) -> None:
        ledger = self._ledger
        while page := await ledger.journal.read(log, ledger.version(log)):
            for recorded in page:
                self._fold(recorded)

    def _fold(self, recorded: Recorded) -> None:
        """What was started in the session is not taken up with its token."""
        if type(recorded.event) in HANDLERS:
            self._ledger.replay(recorded.log, recorded.version, recorded.event, _nobody)
        else:
            self._ledger.pass_over(recorded.log, recorded.version)

    async def _make_room(self) -> None:
        """Forget some tokens that have ended when there are too many, and their logs.

        A log stays where work goes on or somebody is attached, and its token with it: it can still be revoked.
        """
        state, limit = self._ledger.state, self._ledger.limits.max_tokens
        if len(state.tokens) < limit:
            return
        gone = list(islice(self._forgettable(), FORGOTTEN))
        if not gone:
            raise LimitExceeded("max_tokens", limit, where="tokens", fix="revoke some, or let them expire")
        for nonce, log in gone:
            state.tokens.pop(nonce, None)
            if log is not None:
                state.sessions.pop(log.removeprefix("session:"), None)
                await self._let_go(log)

    def _forgettable(self) -> Iterator[tuple[str, str | None]]:
        """Tokens that have ended, by nonce, with their logs if these may go, too."""
        state, now = self._ledger.state, self._ledger.now()
        attached = (f"session:{session.id}" for session in state.sessions.values() if session.attached)
        busy = {task.log for task in state.tasks.values()}.union(attached)
        for nonce, record in state.tokens.items():
            if _has_ended(record, now):
                session, log = state.sessions.get(record.session_id or ""), _log_of(record)
                if log not in busy:
                    yield nonce, log
                elif session is not None and session.token_nonce != nonce:
                    yield nonce, None  # the session has another one by now

    async def _let_go(self, log: str) -> None:
        self._followed.discard(log)
        self._ledger.forget(log)
        if log in self.owned:
            self.owned.discard(log)
            await self._ledger.journal.release(log)


def _has_ended(record: TokenRecord, now: int) -> bool:
    return record.session_id is not None and (record.expire_at <= now or record.revoked or record.detached)


def _log_of(record: TokenRecord) -> str:
    return f"session:{record.session_id}"


def _nothing(_log: str) -> None:
    """Nobody wants to know."""


def _nobody(_event: ev.Event, _task: object) -> None:
    """Nobody watches what was recorded long ago."""
