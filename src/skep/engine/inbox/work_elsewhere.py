"""Work items of runs that other processes own: seen in the directory, acted on through the store's inbox.

Who claims makes the handle and sends its digest only, so no secret goes through the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from skep import values
from skep.core import events as ev
from skep.core.outputs import Artifact, Final, Inline
from skep.core.questions import Answerer, Claim, QuestionState
from skep.core.work import check_claim
from skep.core.work import claim as decide
from skep.engine.attempts.output_types import check_output
from skep.engine.inbox.elsewhere import Delivered, Elsewhere, plain
from skep.errors import (
    AttemptEnded,
    BadValue,
    InvalidTransition,
    QuestionClosed,
    QuestionError,
    TokenNotFound,
    TokenTaskMismatch,
    WorkHeld,
)

if TYPE_CHECKING:
    from skep.core.outputs import OutputEvent
    from skep.engine.ledger import Ledger


class WorkElsewhere:
    """Reads and asks; what the owner of the run refuses is told as it would tell it itself."""

    def __init__(self, ledger: Ledger, elsewhere: Elsewhere) -> None:
        self._journal = ledger.journal
        self._limits = ledger.limits
        self._state = ledger.state
        self._elsewhere = elsewhere

    # -- reading -------------------------------------------------------------------------------

    async def items(self) -> list[QuestionState]:
        """Every open work item of the store with its claim, oldest first."""
        claims = await self._elsewhere.claims()
        found: list[QuestionState] = []
        after = 0
        while page := await self._journal.list_entries("question", after=after):
            after = page[-1].position
            for item in await self._elsewhere.read_all(page):
                if item.what == "work":
                    here = self._state.questions.get(item.key)
                    found.append(here or _with_claim(item, claims.get(item.key)))
        return found

    async def item(self, key: str) -> QuestionState:
        """One open item of a run that is not ours, with its claim.

        Raises:
            ResumeKeyNotFound, QuestionClosed: there is none, or no longer.
        """
        item, _ = await self._elsewhere.question(key)
        claim = (await self._elsewhere.claims(item.log)).get(key)
        if claim is None:
            await self._elsewhere.question(key)  # its end, if it has come meanwhile, took the claim along
        return _with_claim(item, claim)

    async def check_handle(self, handle: str, key: str) -> None:
        """Check that a handle, given as its digest, is that of the item's present claim.

        Raises:
            TokenNotFound: it has ended, or there never was one.
            TokenTaskMismatch: it is another item's.
        """
        entry = await self._journal.find("handle", handle)
        event = await self._elsewhere.event(entry) if entry is not None else None
        if not isinstance(event, ev.WorkClaimed):
            raise TokenNotFound("handle is not known", fix="its attempt has ended, or another took it over")
        if event.key != key:
            raise TokenTaskMismatch(event.key, key)

    # -- asking the owner ----------------------------------------------------------------------

    async def claim(
        self,
        item: QuestionState,
        who: Answerer,
        handle: str,
        lease: float | None,
        *,
        sessions: tuple[str, ...],
        take: bool,
    ) -> Claim:
        """Ask for the item.

        Raises:
            WorkHeld: somebody holds it, or was quicker.
            InvalidTransition: nobody owns the run.
        """
        decide(item, who.principal, handle, 0, 0, take=take)
        body = {
            "kind": "claim",
            "handle": handle,
            "lease": lease,
            "take": take,
            "by": plain(who),
            "sessions": sessions,
        }
        event = await self._ask(item, body)
        if not isinstance(event, ev.WorkClaimed):
            now = await self.item(item.key)
            decide(now, who.principal, handle, 0, 0, take=take)
            raise WorkHeld(f"work item {item.key} was not given", fix="see what its run's process has logged")
        return _claim_of(event)

    async def renew(self, key: str, by: dict[str, str], generation: int, lease: float | None) -> int:
        """Ask for a longer lease. Raises as `claim`."""
        item = await self._held(key, by, generation)
        event = await self._ask(item, {"kind": "renew", "generation": generation, "lease": lease, "of": by})
        if not isinstance(event, ev.WorkRenewed):
            raise await self._refused(key, by, generation)
        return event.lease_until

    async def release(self, key: str, by: dict[str, str], generation: int) -> None:
        """Give the item back. Raises as `claim`."""
        item = await self._held(key, by, generation)
        event = await self._ask(item, {"kind": "release", "generation": generation, "of": by})
        if not isinstance(event, ev.WorkReleased):
            raise await self._refused(key, by, generation)

    async def complete(self, key: str, by: dict[str, str], value: Any, *, ok: bool) -> Delivered:
        """Send the result; without an owner it waits for the next one, who takes it first.

        Raises:
            WorkHeld, QuestionClosed: the claim has ended, the item too.
        """
        item = await self._held(key, by)
        body = {"kind": "complete", "key": key, "value": value, "ok": ok, "of": by}
        if not await self._elsewhere.is_owned(item.log):
            if not await self._elsewhere.leave(item.log, body, once=f"answer {key}"):
                raise QuestionClosed(f"work item {key} has a result that waits for the run's next owner")
            return Delivered(item.log, acted=False)
        if await self._ask(item, body) is None:
            raise await self._refused(key, by)
        return Delivered(item.log, acted=True)

    async def emit(self, key: str, by: dict[str, str], output: OutputEvent) -> None:
        """Send an output; returns when the owner has recorded it, or taken it if it is only streamed.

        Raises:
            BadValue, LimitExceeded: not an output that can be sent, or one that the owner has refused.
            AttemptEnded: it was not accepted: the claim has ended meanwhile.
        """
        item = await self._held(key, by)
        body = {"kind": "emit", "output": self._plain(output), "of": by}
        if await self._ask(item, body) is not None:
            return
        try:
            await self._held(key, by)
        except QuestionError as error:
            raise AttemptEnded(f"the claim of work item {key} has ended") from error
        if isinstance(output, Final | Artifact):
            what = f"the process that runs work item {key} has refused this output"
            raise BadValue(what, where="output", fix="see what it has logged")

    # -- inside --------------------------------------------------------------------------------

    def _plain(self, output: OutputEvent) -> Any:
        """An output as an inbox message says it."""
        check_output(output)
        if isinstance(output, Final | Artifact) and isinstance(output.content, Inline):
            values.decode_untrusted(bytes(output.content.value), self._limits, where="output")
        return values.decode(msgspec.json.encode(output))

    async def _ask(self, item: QuestionState, body: dict[str, Any]) -> ev.AnyEvent | None:
        """The event that this led to, null when the owner led it to none."""
        run_id = item.log.removeprefix("run:")
        if await self._elsewhere.is_owned(item.log):
            decided = await self._elsewhere.request(item.log, {**body, "key": item.key})
            if decided.taken:
                return decided.event
        await self.item(item.key)  # refuses when it has ended, and the run perhaps with it
        raise InvalidTransition(f"no living process answers for {run_id}", fix=f"skep resume {run_id}")

    async def _held(self, key: str, by: dict[str, str], generation: int | None = None) -> QuestionState:
        item = await self.item(key)
        held = check_claim(item, by.get("principal"), generation)
        if by.get("handle") not in (None, held.handle):
            raise WorkHeld(f"{held.holder} holds work item {key} now")
        return item

    async def _refused(self, key: str, by: dict[str, str], generation: int | None = None) -> WorkHeld:
        """Why the owner did not do it, as far as the store shows."""
        await self._held(key, by, generation)
        return WorkHeld(
            f"the process that runs work item {key} has refused this", fix="see what it has logged"
        )


def _with_claim(item: QuestionState, event: ev.WorkClaimed | None) -> QuestionState:
    """An item that was read from the store, and the claim that stands in another event."""
    if event is not None and item.claim is None:
        item.claim = _claim_of(event)
        item.generation = event.generation
    return item


def _claim_of(event: ev.WorkClaimed) -> Claim:
    return Claim(
        event.holder, event.generation, event.handle, event.lease_until, event.session_id, event.sessions
    )
