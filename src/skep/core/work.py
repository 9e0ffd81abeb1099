"""Work items: an attempt that is offered to a seat, and who holds it (DESIGN section 8, *operator*).

A claim has a generation, higher than that of every claim before it: who shows an older one has lost the item.
Decisions return events and change nothing; the offer itself is `questions.offer_work`.
"""

from __future__ import annotations

from skep.core.outputs import ContentRef
from skep.core.question_events import QuestionAnswered, WorkClaimed, WorkReleased, WorkRenewed
from skep.core.questions import Claim, QuestionState
from skep.errors import WorkHeld


def claim(
    item: QuestionState,
    holder: str,
    handle: str,
    lease_until: int,
    at: int,
    *,
    session_id: str | None = None,
    sessions: tuple[str, ...] = (),
    take: bool = False,
    request: str | None = None,
) -> WorkClaimed:
    """`holder` takes the item and works with the handle whose digest is `handle`.

    With `take` it is taken from whoever holds it: that one's handle ends at once.

    Raises:
        WorkHeld: somebody holds it.
    """
    held = item.claim
    if held is not None and not take:
        raise WorkHeld(f"{held.holder} holds work item {item.key}", fix="take it over, or wait for its lease")
    assert item.task_id is not None  # noqa: S101 - work is always a task's
    return WorkClaimed(
        at=at,
        key=item.key,
        task_id=item.task_id,
        holder=holder,
        generation=item.generation + 1,
        handle=handle,
        lease_until=lease_until,
        session_id=session_id,
        request=request,
        sessions=sessions,
    )


def renew(
    item: QuestionState,
    holder: str | None,
    generation: int,
    lease_until: int,
    at: int,
    *,
    request: str | None = None,
) -> WorkRenewed:
    """The holder goes on until `lease_until`, or longer if it had longer. `holder` null: it showed the handle.

    Raises:
        WorkHeld: this claim is not the one in force.
    """
    held = check_claim(item, holder, generation)
    return WorkRenewed(
        at=at,
        key=item.key,
        generation=generation,
        lease_until=max(held.lease_until, lease_until),
        request=request,
    )


def release(
    item: QuestionState, holder: str | None, generation: int, at: int, *, request: str | None = None
) -> WorkReleased:
    """The holder gives the item back; it is offered again.

    Raises:
        WorkHeld: this claim is not the one in force.
    """
    check_claim(item, holder, generation)
    return WorkReleased(at=at, key=item.key, generation=generation, request=request)


def expire(item: QuestionState, at: int) -> tuple[WorkReleased, ...]:
    """The item is offered again if the lease of its claim is over."""
    held = item.claim
    if held is None or held.lease_until > at:
        return ()
    return (WorkReleased(at=at, key=item.key, generation=held.generation, reason="expired"),)


def revoke(item: QuestionState, session_id: str, at: int) -> tuple[WorkReleased, ...]:
    """The item is offered again if its claim was made with a token that has been revoked, or with a narrower one."""
    held = item.claim
    if held is None or session_id not in held.sessions:
        return ()
    return (WorkReleased(at=at, key=item.key, generation=held.generation, reason="revoked"),)


def conclude(
    item: QuestionState, result: ContentRef, by: str | None, at: int, *, request: str | None = None
) -> QuestionAnswered:
    """The first accepted final ends the item; `by` null: whoever holds it."""
    if by is None:
        by = item.claim.holder if item.claim is not None else f"worker-of-{item.task_id}"
    return QuestionAnswered(at=at, key=item.key, answer=result, by=by, task_id=item.task_id, request=request)


def check_claim(item: QuestionState, holder: str | None, generation: int | None = None) -> Claim:
    """The claim in force, if it is this one; null is not asked for.

    Raises:
        WorkHeld: nobody holds the item, somebody else does, or it was taken over since.
    """
    held = item.claim
    if held is None:
        raise WorkHeld(f"nobody holds work item {item.key} any more", fix="claim it again")
    if holder is not None and held.holder != holder:
        raise WorkHeld(f"{held.holder} holds work item {item.key}, not {holder}", fix="take it over")
    if generation is not None and held.generation != generation:
        raise WorkHeld(
            f"claim {generation} of work item {item.key} has ended: {held.holder} holds it by claim {held.generation}"
        )
    return held
