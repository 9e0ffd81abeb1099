"""What every group of acts stands on: the engine's parts, and the one way in (DESIGN section 5, *Authority*)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from skep.core import events as ev
from skep.core.state import NEVER
from skep.core.tokens import TokenRecord
from skep.errors import InvalidTransition

if TYPE_CHECKING:
    from skep.core.scopes import Fact
    from skep.core.tasks import TaskState
    from skep.engine.attempts.dispatch import Dispatcher
    from skep.engine.background import Background
    from skep.engine.ledger import Ledger
    from skep.engine.runs.plan import Planner
    from skep.engine.runs.run import RunDriver
    from skep.engine.tokens.office import Bearer
    from skep.limits import Limits

OWNER = TokenRecord(role="operator", agent_id="owner", expire_at=NEVER)
"""Who calls without a token: the owner of this process, and so of its store."""


class Guarded:
    """A base of the engine's groups of acts."""

    ledger: Ledger
    dispatcher: Dispatcher
    planner: Planner
    limits: Limits
    drivers: dict[str, RunDriver]
    background: Background

    async def admit(
        self,
        token: Bearer | None,
        act: str,
        task_id: str | None = None,
        *,
        run: str | None = None,
        agent: str | None = None,
        seat: Fact | None = None,
        settled: TaskState | None = None,
        spend: bool = True,
    ) -> TokenRecord:
        """Check that the bearer may perform `act`; a token that another process made is looked up first.

        Without `spend` the act is to go on within `_spending`, which spends a use when nothing was refused.

        Raises:
            AuthorityError: it may not (see `TokenOffice.check`).
        """
        if token is None:
            return OWNER
        tokens = self.dispatcher.tokens
        await tokens.known(token)
        before = self.ledger.last_seq
        record = tokens.check(
            token, act, task_id, run=run, agent=agent, seat=seat, settled=settled, spend=spend
        )
        if self.ledger.last_seq != before:
            # A use was spent: not even a refusal of the act itself is let out before that is durable (R-ack).
            await self.ledger.flushed()
            tokens.vet(token, act)
        return record

    async def _vet(self, token: Bearer | None, act: str) -> TokenRecord:
        """Check what can be checked before anything is looked for: that the bearer may do such a thing at all.

        Raises:
            AuthorityError: it may not, to whatever. Nothing is spent.
        """
        if token is None:
            return OWNER
        await self.dispatcher.tokens.known(token)
        return self.dispatcher.tokens.vet(token, act)

    def _spending(self, token: Bearer | None, act: str) -> AbstractContextManager[None]:
        """What an act goes on within that was admitted without spending a use; flush afterwards (R-ack)."""
        return nullcontext() if token is None else self.dispatcher.tokens.spending(token, act)

    def commit_to(self, log: str, events: Sequence[ev.Event]) -> None:
        """Commit events to the log of a session, or to a run through its driver, and begin what follows.

        Raises:
            InvalidTransition: the run is not this engine's.
        """
        if not log.startswith("run:"):
            self.ledger.commit(log, events)
            return
        driver = self.drivers.get(log.removeprefix("run:"))
        if driver is None:
            raise InvalidTransition(f"{log} is not this engine's", fix="try again: its owner acts on it")
        driver.commit(events)
        driver.attempts.launch()
