"""A script and those that it forks, driven to their ends side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from skep.strategy.pending import Pending
from skep.strategy.queries import Query, Reply
from skep.strategy.steps import Asked, Forked, Input, Last, Stepper

Known = Callable[[str], Reply | None]
"""The recorded answer to a query."""


class Branches:
    """Drives one script; says when nothing goes on without an answer.

    Args:
        known: answers that were given before.
        resumed: called when a pause has all its answers.
        turned: called when every branch waits for an answer.
    """

    def __init__(self, known: Known, resumed: Callable[[], None], turned: Callable[[], None]) -> None:
        self._known = known
        self._resumed = resumed
        self._turned = turned
        self._open: dict[asyncio.Future[None], Pending] = {}
        self._busy = 1

    @property
    def waiting(self) -> bool:
        """Whether nothing goes on without an answer."""
        return self._busy == 0

    @property
    def unanswered(self) -> tuple[Query, ...]:
        """What is asked now, by branch."""
        return tuple(query for pending in self._open.values() for query in pending.unanswered)

    @property
    def pending(self) -> Sequence[Pending]:
        return tuple(self._open.values())

    async def drive(self, script: Stepper) -> Last:
        """Run a script to its end."""
        given: Input = None
        try:
            while True:
                step = await script.step(given)
                if isinstance(step, Asked):
                    given = await self._answers(step.queries)
                elif isinstance(step, Forked):
                    given = await self._children(step.children)
                else:
                    return step
        finally:
            await script.close()

    def put(self, pending: Pending, query_id: str, reply: Reply) -> None:
        """An answer has come; a branch that has all of its own goes on."""
        if pending.put(query_id, reply) == 0:
            waiter = next(waiter for waiter, held in self._open.items() if held is pending)
            del self._open[waiter]
            self._busy += 1
            waiter.set_result(None)

    async def _answers(self, queries: Sequence[Query]) -> Sequence[Reply]:
        pending = Pending(queries)
        for query in queries:
            reply = self._known(query.id)
            if reply is not None:
                pending.put(query.id, reply)
        if pending.remaining:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._open[waiter] = pending
            self._rest()
            await waiter
        self._resumed()
        return pending.replies

    async def _children(self, children: Sequence[Stepper]) -> Sequence[Last]:
        """All of them side by side; the last to end hands its turn back to the parent."""
        left = len(children)
        self._busy += left - 1

        async def child(script: Stepper) -> Last:
            nonlocal left
            last = await self.drive(script)
            left -= 1
            if left:
                self._rest()
            return last

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(child(script)) for script in children]
        return [task.result() for task in tasks]

    def _rest(self) -> None:
        self._busy -= 1
        if self._busy == 0:
            self._turned()
