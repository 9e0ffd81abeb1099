"""The work items of one engine: offered to seats, held under leases, ended by a final (DESIGN section 8).

Who may do what is decided before (`work_acts`, `inbox`); here the items of the runs that this process owns change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from skep import values
from skep.clock import TimerHandle
from skep.core import events as ev
from skep.core import questions, work
from skep.core.questions import Answerer, Claim, QuestionState
from skep.engine.runs.launchers import any_revoked
from skep.errors import BadValue, LimitExceeded, QuestionClosed, SkepError
from skep.ids import new_key

if TYPE_CHECKING:
    from skep.core.outputs import ContentRef
    from skep.core.tasks import TaskState
    from skep.engine.attempts.channel import Channel
    from skep.engine.ledger import Ledger
    from skep.limits import Limits

_DIGEST = re.compile("[0-9a-f]{64}")


class Work:
    """Offers, claims and leases. `item(key)` finds an open one, `channel_of` the engine's side of its attempt."""

    def __init__(
        self,
        ledger: Ledger,
        commit: Callable[[str, Sequence[ev.Event]], object],
        item: Callable[[str], QuestionState],
    ) -> None:
        self._ledger = ledger
        self.commit = commit
        self._item = item
        self.channel_of: Callable[[TaskState], Channel]
        self._leases: dict[str, TimerHandle | None] = {}
        """Timers of the items whose attempts wait here; null while nobody holds one."""
        self._new: set[str] = set()

    # -- the attempt's side --------------------------------------------------------------------

    async def hold(self, task: TaskState, seat: str, payload: dict[str, Any]) -> None:
        """Offer the live attempt, or go on with the offer that stands; return when a final was accepted.

        Raises:
            QuestionClosed: the item was taken back.
        """
        key = self._offer(task, seat, payload) if task.work is None else await self._take_up(task.work)
        state = self._ledger.state
        self._leases[key] = None
        try:
            if key in state.questions:
                self._arm(state.questions[key])
            await self._ledger.waiters.until(key, lambda: key not in state.questions)
        finally:
            timer = self._leases.pop(key)
            if timer is not None:
                timer.cancel()
        if task.final is None:
            raise QuestionClosed(f"work item {key} was taken back")

    def _offer(self, task: TaskState, seat: str, payload: dict[str, Any]) -> str:
        key, ledger = new_key(), self._ledger
        audience = (f"seat:{seat}",)
        data = values.encode(payload, ledger.limits, where="work")
        asking = questions.Asking(
            question=ledger.store(data, task.log),
            digest=values.digest(data),
            audience=audience,
            what="work",
        )
        self.commit(task.log, (questions.offer_work(key, task, asking, ledger.now()),))
        ledger.counters["work_offered"] += 1
        return key

    async def _take_up(self, key: str) -> str:
        """The host was away, so nobody could renew: who holds the item, and still may, gets a whole lease."""
        item = self._item(key)
        claim = item.claim
        if claim is not None:
            self.renew(key, None, claim.generation)
            if await any_revoked(self._ledger.journal, claim.sessions):
                self._revoke(item, claim.sessions)
        return key

    # -- the holder's side ---------------------------------------------------------------------

    def claim(
        self,
        key: str,
        who: Answerer,
        handle: str,
        lease: float | None = None,
        *,
        sessions: tuple[str, ...] = (),
        take: bool = False,
        request: str | None = None,
    ) -> Claim:
        """Give the item to `who`, for `lease` seconds, to work with the handle of this digest.

        Raises:
            ResumeKeyNotFound, QuestionClosed: there is no such item, or no longer.
            MayNotAnswer: it is not for `who`.
            WorkHeld: somebody holds it.
        """
        item = self._item(key)
        check_may_work(item, who)
        if not _DIGEST.fullmatch(handle):
            raise BadValue("not the digest of a handle", where="claim")
        now = self._ledger.now()
        event = work.claim(
            item,
            who.principal,
            handle,
            self._until(lease, now),
            now,
            session_id=who.session_id,
            sessions=sessions,
            take=take,
            request=request,
        )
        self.commit(item.log, (event,))
        self._new.update(sessions)
        assert item.claim is not None  # noqa: S101 - just claimed
        return item.claim

    def renew(
        self,
        key: str,
        holder: str | None,
        generation: int,
        lease: float | None = None,
        *,
        request: str | None = None,
    ) -> int:
        """Prolong a claim; until when it lasts. Raises as `work.renew`."""
        item, now = self._item(key), self._ledger.now()
        event = work.renew(item, holder, generation, self._until(lease, now), now, request=request)
        self.commit(item.log, (event,))
        return event.lease_until

    def release(self, key: str, holder: str | None, generation: int, *, request: str | None = None) -> None:
        """Give the item back. Raises as `work.release`."""
        item = self._item(key)
        event = work.release(item, holder, generation, self._ledger.now(), request=request)
        self.commit(item.log, (event,))

    def channel(self, item: QuestionState) -> Channel:
        """The engine's side of the attempt that an open item is."""
        return self.channel_of(self._ledger.state.tasks[item.task_id or ""])

    def concluded(
        self, task: TaskState, result: ContentRef, by: str | None, request: str | None
    ) -> tuple[ev.Event, ...]:
        """What the first accepted final of an offered attempt means for its item."""
        item = self._ledger.state.questions.get(task.work or "")
        if item is None:
            return ()
        return (work.conclude(item, result, by, self._ledger.now(), request=request),)

    # -- revoked tokens ------------------------------------------------------------------------

    @property
    def has_claims(self) -> bool:
        """Whether somebody holds an item by a token that may be revoked."""
        items = map(self._ledger.state.questions.get, self._leases)
        return any(item is not None and item.claim is not None and item.claim.sessions for item in items)

    def take_new(self) -> set[str]:
        """The sessions of the claims since the last call: their tokens may have been revoked just before."""
        new, self._new = self._new, set()
        return new

    def revoked(self, session_id: str) -> None:
        """The token of this session has ended: so do the claims that were made with it, and their handles."""
        for key in tuple(self._leases):
            item = self._ledger.state.questions.get(key)
            if item is not None:
                self._revoke(item, (session_id,))

    def _revoke(self, item: QuestionState, sessions: tuple[str, ...]) -> None:
        for session_id in sessions:
            events = work.revoke(item, session_id, self._ledger.now())
            if events:
                self.commit(item.log, events)

    # -- leases --------------------------------------------------------------------------------

    def hear(self, item: QuestionState, event: ev.Event) -> None:
        """The ledger has applied an event about an item."""
        if item.key in self._leases and isinstance(event, ev.WorkClaimed | ev.WorkRenewed | ev.WorkReleased):
            self._arm(item)

    def _until(self, lease: float | None, now: int) -> int:
        limits = self._ledger.limits
        check_lease(lease, limits)
        return now + int((limits.work_lease if lease is None else lease) * 1000)

    def _arm(self, item: QuestionState) -> None:
        timer = self._leases[item.key]
        if timer is not None:
            timer.cancel()
        due = item.claim.lease_until if item.claim is not None else None
        self._leases[item.key] = (
            self._ledger.clock.call_at(due, lambda: self._expire(item)) if due is not None else None
        )

    def _expire(self, item: QuestionState) -> None:
        if item.key not in self._leases:
            return
        try:
            events = work.expire(item, self._ledger.now())
            if events:
                self.commit(item.log, events)
                self._ledger.counters["work_leases_expired"] += 1
        except SkepError:
            return  # the journal has told its listeners, the run is dropped


def check_lease(lease: float | None, limits: Limits) -> None:
    """Raises `LimitExceeded` for seconds that nobody may hold an item for."""
    if lease is not None and not 0 < lease <= limits.max_work_lease:
        raise LimitExceeded("max_work_lease", limits.max_work_lease, where="lease", fix="give seconds")


def check_may_work(item: QuestionState, who: Answerer) -> None:
    """Raises `BadValue` when it is no work item, `MayNotAnswer` when it is not for `who`."""
    if item.what != "work":
        raise BadValue(f"{item.key} is a question, not a work item", where="claim", fix="answer it")
    questions.check_may_answer(item, who)
