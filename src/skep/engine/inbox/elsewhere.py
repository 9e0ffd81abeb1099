"""Questions and runs that this process does not own: judged by what is recorded, asked of their owner.

Who owns the run decides; a message carries a `request` id, and the event that it led to carries it too. Without
an owner the message waits, and the next owner takes it first (DESIGN section 7, the store's inbox).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from itertools import count, groupby
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from skep import values
from skep.core import events as ev
from skep.core import questions
from skep.core.question_folds import question_of
from skep.core.questions import Answerer, QuestionState
from skep.engine.questions.questions import Ended, check_schema, encoded, how_ended
from skep.engine.runs.info import ENDED
from skep.errors import (
    InvalidTransition,
    MayNotAnswer,
    QuestionClosed,
    ResumeKeyNotFound,
    RunNotFound,
    WorkHeld,
)
from skep.ids import new_nonce

if TYPE_CHECKING:
    from skep.engine.ledger import Ledger
    from skep.engine.tokens.logs import TokenLogs
    from skep.journal.base import Entry, InboxMessage, Recorded

POLL_SECONDS = 0.05
LOOKS = 10
"""So many polls apart it is asked whether the owner lives."""
PATIENCE = 30.0
"""Seconds that a living owner of a run may take to decide."""
PAGE = 1_000
REPEATABLE = frozenset({"cancel", "pause", "unpause"})
"""What changes nothing, and so leaves no event, when it is so already."""


class Delivered(Struct, frozen=True):
    """What became of a message: its owner has acted on it, or it waits for the next owner."""

    log: str
    acted: bool


class Decision(Struct, frozen=True):
    """What came of a request: the event that it led to, or that ended the question first.

    Without one it was refused, when its owner has `taken` it; else that has died, or takes its time.
    """

    event: ev.AnyEvent | None
    taken: bool


class Elsewhere:
    """Acts on runs through the store's inbox."""

    def __init__(self, ledger: Ledger, sessions: TokenLogs) -> None:
        self._ledger = ledger
        self._sessions = sessions
        self._journal = ledger.journal

    async def question(self, key: str) -> tuple[QuestionState, int]:
        """An open question of any log in the store, and the version of its ask.

        What a session's task asks ends with the process that owns the session: nobody would go on with the answer.

        Raises:
            QuestionClosed, ResumeKeyNotFound: there is none under this key.
        """
        entry = await self._journal.find("question", key)
        if entry is not None and entry.log.startswith("session:"):
            await self._sessions.clear(entry.log)
            entry = await self._journal.find("question", key)
        if entry is None:
            ended = await self.ended(key)
            if ended is not None:
                raise QuestionClosed(f"question {key} {how_ended(ended)}")
            raise ResumeKeyNotFound(f"no question {key}", fix="`skep questions` lists the open ones")
        return await self.read(entry), entry.version

    async def read(self, entry: Entry) -> QuestionState:
        """The question that an entry of the directory points to."""
        event = await self.event(entry)
        if not isinstance(event, ev.QuestionAsked):
            raise ResumeKeyNotFound(f"no question {entry.key}")
        return question_of(event)

    async def read_all(self, entries: Iterable[Entry]) -> list[QuestionState]:
        """The questions that entries in the directory's order point to."""
        events = await self._events(entries)
        return [question_of(event) for event in events if isinstance(event, ev.QuestionAsked)]

    async def ended(self, key: str) -> Ended | None:
        """How a question ended; null when it is open or unknown."""
        entry = await self._journal.find("closed", key)
        event = await self.event(entry) if entry is not None else None
        return event if isinstance(event, Ended) else None

    async def answer(self, key: str, value: Any, who: Answerer) -> Delivered:
        """Answer a question of a run that another process owns, or nobody.

        Raises:
            ResumeKeyNotFound, QuestionClosed, MayNotAnswer, AnswerRefused, BadValue, LimitExceeded: refused,
                here or by the owner.
        """
        question, version = await self.question(key)
        if question.is_past_deadline(self._ledger.now()):
            # Whoever owns the run, now or next, would drop the answer.
            raise QuestionClosed(f"question {key} has passed its deadline")
        questions.check_may_answer(question, who, starter=await self.starter(question.log))
        value = values.decode(encoded(value, self._ledger.limits, "answer"))
        check_schema(question, value)
        if question.what == "work":
            await self._check_unclaimed(question)
        request = new_nonce()
        body = {"kind": "answer", "key": key, "value": value, "request": request, "by": plain(who)}
        if await self._journal.send(question.log, body, once=f"answer {key}") is None:
            raise QuestionClosed(f"question {key} has an answer that waits for the owner of {question.log}")
        decided = await self._decision(question.log, version, request, key)
        if isinstance(decided.event, Ended) and not _is_from(decided.event, request):
            raise QuestionClosed(f"question {key} {how_ended(decided.event)}")
        if decided.event is None:
            await self.question(key)
            if decided.taken:
                raise MayNotAnswer(
                    f"the process that asks question {key} has refused this answer",
                    fix="see what it has logged",
                )
        return Delivered(question.log, acted=decided.event is not None)

    async def send(self, run_id: str, body: dict[str, Any]) -> Delivered:
        """Leave a message for the owner of a run and wait until it has acted, if it lives.

        Raises:
            RunNotFound, InvalidTransition: there is no such run, or it has ended, or its owner refused.
        """
        row = await self._journal.get_run(run_id)
        if row is None:
            raise RunNotFound(f"no run {run_id!r} in this store", fix="`skep ps` lists them")
        if row.status in ENDED:
            raise InvalidTransition(f"run {run_id} has ended: {row.status}")
        log, request = f"run:{run_id}", new_nonce()
        last = await self._journal.read_last(log)
        await self._journal.send(log, {**body, "request": request})
        if row.interrupted:
            return Delivered(log, acted=False)
        decided = await self._decision(log, last.version if last is not None else 0, request)
        if decided.event is None and decided.taken and body["kind"] not in REPEATABLE:
            raise InvalidTransition(
                f"the process that works on run {run_id} has refused this", fix="see what it has logged"
            )
        return Delivered(log, acted=decided.event is not None or decided.taken)

    async def starter(self, log: str) -> str | None:
        """Who started a run."""
        first = await self._journal.read(log, 0, 1)
        event = first[0].event if first else None
        return event.starter if isinstance(event, ev.RunStarted) else None

    async def request(self, log: str, body: dict[str, Any]) -> Decision:
        """Ask the living owner of a log; what it has not taken when it dies is not left for the next one."""
        request = new_nonce()
        last = await self._journal.read_last(log)
        sent = await self._journal.send(log, {**body, "request": request})
        decided = await self._decision(log, last.version if last is not None else 0, request)
        if sent is not None and not decided.taken:
            await self._journal.settle_inbox([sent])
        return decided

    async def leave(self, log: str, body: dict[str, Any], *, once: str) -> bool:
        """Leave a message for the next owner of a log; false if another than this one waits there already."""
        if await self._journal.send(log, {**body, "request": new_nonce()}, once=once) is not None:
            return True
        messages = await self._journal.receive([log])
        return any(body.items() <= message.body.items() for message in messages)

    async def is_owned(self, log: str) -> bool:
        """Whether a living process owns a log."""
        return await self._journal.is_owned(log)

    async def claims(self, log: str | None = None) -> dict[str, ev.WorkClaimed]:
        """The claims of work items in force, by item; of one log when given."""
        found: dict[str, ev.WorkClaimed] = {}
        after = 0
        while page := await self._journal.list_entries("handle", log=log, after=after):
            after = page[-1].position
            events = await self._events(page)
            found |= {event.key: event for event in events if isinstance(event, ev.WorkClaimed)}
        return found

    async def event(self, entry: Entry) -> ev.AnyEvent | None:
        """The event that an entry of the directory points to."""
        found: list[Recorded] = await self._journal.read(entry.log, entry.version - 1, 1)
        return found[0].event if found else None

    # -- inside --------------------------------------------------------------------------------

    async def _events(self, entries: Iterable[Entry]) -> list[ev.AnyEvent]:
        """The events that entries in the directory's order point to; what one commit brought is read at once."""
        found: list[ev.AnyEvent] = []
        for (log, _), together in groupby(entries, key=lambda entry: (entry.log, entry.position)):
            versions = [entry.version for entry in together]
            first, wanted = versions[0], frozenset(versions)
            events = await self._journal.read(log, first - 1, versions[-1] - first + 1)
            found += [recorded.event for recorded in events if recorded.version in wanted]
        return found

    async def _check_unclaimed(self, item: QuestionState) -> None:
        claim = (await self.claims(item.log)).get(item.key)
        if claim is not None:
            raise WorkHeld(f"{claim.holder} works on {item.key}", fix="take it over first")

    async def _is_taken(self, log: str, request: str) -> bool:
        """Whether the owner has dealt with a message: what it did about it is then in the log."""
        waiting = await self._journal.receive([log])
        return all(message.body.get("request") != request for message in waiting)

    async def _decision(self, log: str, after: int, request: str, key: str | None = None) -> Decision:
        """What comes of a request; also an event that ends the question `key` otherwise."""
        taken = False
        watch = self._journal.watch()
        try:
            async with asyncio.timeout(PATIENCE):
                for look in count():
                    # An owner that is killed changes nothing in the store.
                    if await watch.changed() or look % LOOKS == 0:
                        taken = await self._is_taken(log, request)
                        over = taken or not await self.is_owned(log)
                        while page := await self._journal.read(log, after, PAGE):
                            after = page[-1].version
                            for recorded in page:
                                if _is_from(recorded.event, request) or _ends(recorded.event, key):
                                    return Decision(recorded.event, taken=True)
                        if over:
                            return Decision(None, taken)
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            pass
        return Decision(None, taken=False)


def request_of(message: InboxMessage) -> str:
    """What marks the event that a message led to; messages from outside the engine may come without."""
    return str(message.body.get("request", f"message {message.id}"))


def answerer_from(body: Any) -> Answerer:
    """Who sent an answer, as an inbox message says.

    Raises:
        TypeError, KeyError: it does not say so.
    """
    seats = body["seats"]
    return Answerer(
        principal=str(body["principal"]),
        roles=frozenset(body["roles"]),
        seats=None if seats is None else frozenset(seats),
        session_id=body.get("session_id"),
        run_id=body.get("run_id"),
    )


def plain(who: Answerer) -> dict[str, Any]:
    """The same as an inbox message says it."""
    return {
        "principal": who.principal,
        "roles": sorted(who.roles),
        "seats": None if who.seats is None else sorted(who.seats),
        "session_id": who.session_id,
        "run_id": who.run_id,
    }


def _is_from(event: ev.Event, request: str) -> bool:
    return getattr(event, "request", None) == request


def _ends(event: ev.Event, key: str | None) -> bool:
    return key is not None and isinstance(event, Ended) and event.key == key
