"""The acts on work items (DESIGN section 8, *operator*): list, claim, renew, release, take over, complete.

They work on every run in the store. Of one that another process owns, the owner decides (`work_elsewhere`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from msgspec import Raw, Struct

from skep import values
from skep.core.authority import ACTS, permits
from skep.core.outputs import Final, Inline, OutputEvent
from skep.core.questions import QuestionState, about
from skep.core.tokens import HANDLE_PREFIX, handle_digest, is_handle
from skep.core.work import check_claim
from skep.engine.acts.ask_guard import AskGuard
from skep.engine.acts.guarded import OWNER
from skep.engine.acts.questions import answerer
from skep.engine.attempts.repeats import ended_by
from skep.engine.inbox.elsewhere import Delivered
from skep.engine.inbox.work_elsewhere import WorkElsewhere
from skep.engine.questions.asks import read_ask
from skep.engine.questions.work import check_lease, check_may_work
from skep.engine.runs.launch import sessions_of
from skep.errors import InvalidTransition, QuestionClosed, TokenNotFound
from skep.flow.audience import seat_of
from skep.ids import new_nonce

if TYPE_CHECKING:
    from skep.core.questions import Claim
    from skep.core.tokens import TokenRecord
    from skep.engine.attempts.replies import Replies
    from skep.engine.tokens.office import Bearer


class WorkItem(Struct, frozen=True, kw_only=True):
    """An open work item. `holder` and `generation` are those of its claim, if it has one. Times are milliseconds.

    `payload` is `{task_id, attempt, agent, system, prompt}`.
    """

    key: str
    run_id: str | None
    task_id: str
    attempt: int
    seat: str
    offered_at: int
    payload: dict[str, Any]
    holder: str | None
    generation: int
    lease_until: int | None


class Claimed(Struct, frozen=True, kw_only=True):
    """A claim: `handle` is the secret that its holder works with, shown here and never again."""

    key: str
    task_id: str
    run_id: str | None
    attempt: int
    generation: int
    handle: str
    lease_until: int
    payload: dict[str, Any]

    def __repr__(self) -> str:
        return f"Claimed(key={self.key!r}, generation={self.generation}, handle=***)"


class WorkActs(AskGuard):
    """Operator work as methods; a base of `Engine`."""

    replies: Replies
    work_elsewhere: WorkElsewhere

    async def list_work(self, token: Bearer | None = None, *, seat: str | None = None) -> list[WorkItem]:
        """The open work items of the store that the token may see, oldest first; of one seat when given."""
        record = await self.admit(token, "list_work")
        await self.ledger.flushed()
        found: list[WorkItem] = []
        for item in await self.work_elsewhere.items():
            if seat is None or seat_of_item(item) == seat:
                may = permits(record, ACTS["list_work"], about(item).facts)
                if may and self._is_near(record, item):
                    found.append(await self._work_item(item))
        return found

    async def claim(self, token: Bearer | None, key: str, *, lease: float | None = None) -> Claimed:
        """Take a work item for `lease` seconds (`work_lease`); of two at once, one gets it.

        Raises:
            WorkHeld: somebody holds it.
            MayNotAnswer: its seat is not the bearer's, or the bearer is a worker of the same run.
            ResumeKeyNotFound, QuestionClosed: there is no such item, or no longer.
            InvalidTransition: no living process runs it.
        """
        return await self._claim(token, "claim", key, lease)

    async def takeover(self, token: Bearer | None, key: str, *, lease: float | None = None) -> Claimed:
        """Take a work item, from whoever holds it: that one's handle ends at once. Raises as `claim`."""
        return await self._claim(token, "takeover", key, lease)

    async def renew(
        self, token: Bearer | None, key: str, generation: int, *, lease: float | None = None
    ) -> int:
        """Prolong one's claim to `lease` seconds from now; until when it lasts. By token or handle.

        Raises:
            WorkHeld: the claim has ended: given back, run out, or taken over.
        """
        if key not in self.ledger.state.questions:
            by = await self._by_elsewhere(token, "renew", key)
            check_lease(lease, self.limits)
            with self._using(token, "renew", by):
                until = await self.work_elsewhere.renew(key, by, generation, lease)
        else:
            holder = await self._holder(token, "renew", key)
            with self._spending(token, "renew"):
                until = self.questions.work.renew(key, holder, generation, lease)
        await self.ledger.flushed()
        return until

    async def release(self, token: Bearer | None, key: str, generation: int) -> None:
        """Give one's work item back; it is offered again. By token or handle.

        Raises:
            WorkHeld: the claim has ended.
        """
        if key not in self.ledger.state.questions:
            by = await self._by_elsewhere(token, "release", key)
            with self._using(token, "release", by):
                await self.work_elsewhere.release(key, by, generation)
        else:
            holder = await self._holder(token, "release", key)
            with self._spending(token, "release"):
                self.questions.work.release(key, holder, generation)
        await self.ledger.flushed()

    async def complete(self, token: Bearer | None, key: str, value: Any, *, ok: bool = True) -> Delivered:
        """Deliver the result of a work item by the handle of its claim; the first one accepted ends it.

        The same submit again is answered as the first was. `ok=False` blocks the attempt.

        Raises:
            TokenNotFound: the handle has ended.
            BadValue, LimitExceeded: not a value that can be recorded; the item stays open.
        """
        data = values.encode(value, self.limits, where="result")
        final = Final(Inline(Raw(data)), ok)
        if key not in self.ledger.state.questions:
            delivered = await self._complete_elsewhere(token, key, values.decode(data), ok=ok)
            await self.ledger.flushed()
            return delivered
        holder = await self._holder(token, "complete", key)
        with self._spending(token, "complete"):
            item, _ = self._held(key, holder)
            task = self.ledger.state.tasks[item.task_id or ""]
            self.questions.work.channel(item).conclude(final)
        if token is not None:
            self.replies.note(token, task.id, task.attempt, final, task.final)
        await self.ledger.flushed()
        return Delivered(item.log, acted=True)

    async def emit(self, token: Bearer | None, key: str, event: OutputEvent) -> None:
        """Send an output of a work item by the handle of its claim; a `Final` ends it as `complete` does.

        Raises:
            TokenNotFound: the handle has ended.
            BadValue, LimitExceeded: not an output that can be recorded.
        """
        if key not in self.ledger.state.questions:
            by = await self._by_elsewhere(token, "emit", key)
            with self._using(token, "emit", by):
                await self.work_elsewhere.emit(key, by, event)
        else:
            holder = await self._holder(token, "emit", key)
            with self._spending(token, "emit"):
                item, _ = self._held(key, holder)
                self.questions.work.channel(item).emit(event)
        await self.ledger.flushed()

    async def ask(
        self,
        token: Bearer | None,
        key: str,
        question: Any,
        *,
        audience: str | Sequence[str] = "senior",
        schema: Any = None,
        deadline: float | None = None,
        default: Any = ...,
    ) -> str:
        """Ask somebody else for the sake of a work item that one holds; the question's key.

        The task is suspended until the answer comes (`await_resume`); its deadline stands still. Who holds the
        item by a token has asked, and may not answer with another one.

        Raises:
            TokenNotFound: the handle has ended.
            ResumeKeyNotFound: another process runs the item.
            BadSchema, BadValue, LimitExceeded: it cannot be asked so.
        """
        if key not in self.ledger.state.questions:
            await self._by_elsewhere(token, "ask", key)
            self.questions.open(key)  # refuses: only where it runs it can be asked for
        holder = await self._holder(token, "ask", key)
        with self._spending(token, "ask"):
            item, held = self._held(key, holder)
            asked = read_ask(
                question,
                self.limits,
                audience=audience,
                schema=schema,
                deadline=deadline,
                default=default,
                by=held.holder if held.session_id is not None else None,
            )
            answer_key = self.questions.work.channel(item).put_question(asked)
        await self.ledger.flushed()
        return answer_key

    # -- inside --------------------------------------------------------------------------------

    async def _claim(self, token: Bearer | None, act: str, key: str, lease: float | None) -> Claimed:
        record, _ = await self._admit_to(token, act, key, spend=False)
        who = answerer(record)
        local = self.questions.about(key) is not None
        item = self.questions.open(key) if local else await self.work_elsewhere.item(key)
        check_may_work(item, who)
        check_lease(lease, self.limits)
        handle = HANDLE_PREFIX + new_nonce()
        digest, take = handle_digest(handle), act == "takeover"
        sessions = sessions_of(self.dispatcher.tokens, self.dispatcher.tokens.nonce(token)) if token else ()
        with self._spending(token, act):
            if local:
                claim = self.questions.work.claim(key, who, digest, lease, sessions=sessions, take=take)
            else:
                claim = await self.work_elsewhere.claim(
                    item, who, digest, lease, sessions=sessions, take=take
                )
        await self.ledger.flushed()
        return await self._claimed(item, handle, claim)

    async def _claimed(self, item: QuestionState, handle: str, claim: Claim) -> Claimed:
        assert item.task_id is not None and item.attempt is not None  # noqa: S101, PT018 - an attempt's
        return Claimed(
            key=item.key,
            task_id=item.task_id,
            run_id=item.run_id,
            attempt=item.attempt,
            generation=claim.generation,
            handle=handle,
            lease_until=claim.lease_until,
            payload=await self.questions.value(item.question, item.log),
        )

    async def _complete_elsewhere(self, token: Bearer | None, key: str, value: Any, *, ok: bool) -> Delivered:
        if (log := await self._repeated(token, key, value, ok=ok)) is not None:
            return Delivered(log, acted=True)
        try:
            by = await self._by_elsewhere(token, "complete", key)
            with self._using(token, "complete", by):
                return await self.work_elsewhere.complete(key, by, value, ok=ok)
        except (QuestionClosed, TokenNotFound, InvalidTransition):
            # The item, or its whole run, has ended while we looked: perhaps by just this submit, sent twice.
            if (log := await self._repeated(token, key, value, ok=ok)) is None:
                raise
            return Delivered(log, acted=True)

    async def _repeated(self, token: Bearer | None, key: str, value: Any, *, ok: bool) -> str | None:
        """The log of the item that was ended by just this submit, whose reply was lost."""
        shown = _shown_handle(token)
        if shown is None:
            return None
        await self.ledger.flushed()
        return await ended_by(self.ledger.journal, key, shown, value, ok=ok)

    def _held(self, key: str, holder: str | None) -> tuple[QuestionState, Claim]:
        """An open item of this engine, and its claim, which is this holder's."""
        item = self.questions.open(key)
        return item, check_claim(item, holder)

    async def _holder(self, token: Bearer | None, act: str, key: str) -> str | None:
        """Whose claim the bearer says it is; null when it shows what the attempt itself was given.

        No use of the token is spent yet.
        """
        record, asked = await self._admit_to(token, act, key, spend=False)
        if record is OWNER or record.role != "worker":
            return record.agent_id
        return None if record.task_id == asked.task_id else record.agent_id

    async def _by_elsewhere(self, token: Bearer | None, act: str, key: str) -> dict[str, str]:
        """The same for an item of another process, as an inbox message says it."""
        shown = _shown_handle(token)
        if shown is not None:
            await self.work_elsewhere.check_handle(shown, key)
            return {"handle": shown}
        record, _ = await self._admit_to(token, act, key, spend=False)
        if self.questions.ended(key) is not None:
            self.questions.open(key)  # refuses, and says how it ended
        return {"principal": record.agent_id}

    def _using(self, token: Bearer | None, act: str, by: dict[str, str]) -> AbstractContextManager[None]:
        """As `_spending`, for what `_by_elsewhere` has let through: a handle that is known elsewhere has no uses."""
        return nullcontext() if "handle" in by else self._spending(token, act)

    def _is_near(self, record: TokenRecord, item: QuestionState) -> bool:
        """A worker sees the work of its own task and of what that started, everybody else all (R-narrow)."""
        if record.role != "worker":
            return True
        task = self.ledger.state.tasks.get(item.task_id or "")
        return task is not None and record.task_id in (task.id, task.parent)

    async def _work_item(self, item: QuestionState) -> WorkItem:
        assert item.task_id is not None and item.attempt is not None  # noqa: S101, PT018 - an attempt's
        claim = item.claim
        return WorkItem(
            key=item.key,
            run_id=item.run_id,
            task_id=item.task_id,
            attempt=item.attempt,
            seat=seat_of_item(item),
            offered_at=item.asked_at,
            payload=await self.questions.value(item.question, item.log),
            holder=claim.holder if claim is not None else None,
            generation=claim.generation if claim is not None else item.generation,
            lease_until=claim.lease_until if claim is not None else None,
        )


def seat_of_item(item: QuestionState) -> str:
    """The one seat that a work item is offered to."""
    return seat_of(item.audience[0]) or ""


def _shown_handle(token: Bearer | None) -> str | None:
    """The digest of a handle, if the bearer is one."""
    return handle_digest(token) if isinstance(token, str) and is_handle(token) else None
