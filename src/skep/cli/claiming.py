"""Which work of a seat can be had: what is free, and what a process that has died has left behind."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from skep.cli.commands import command
from skep.cli.text import visible
from skep.errors import Fenced, InvalidTransition, JournalFailed, QuestionError, ResumeKeyNotFound, SkepError

if TYPE_CHECKING:
    from skep.engine.acts.work import Claimed, WorkItem
    from skep.engine.engine import Engine

Taken = tuple["WorkItem", "Claimed"]


class Claiming:
    """Claims the work of one seat. Without a token it is the store's owner, who also takes up runs for it."""

    def __init__(self, engine: Engine, seat: str, token: str | None, store: str | None) -> None:
        self._engine = engine
        self._seat = seat
        self._token = token
        self._store = store
        self._told: set[tuple[str, int, str]] = set()

    async def take_next(self) -> Taken | None:
        """The oldest item that can be had, claimed; what keeps others from being had is told once."""
        for item in await self._items():
            try:
                claimed = await self._claim(item) if item.holder is None else await self._recover(item)
            except QuestionError:
                continue  # somebody was quicker, or it has ended
            except (JournalFailed, Fenced):
                raise
            except SkepError as error:
                self._tell(item, "error", f"{item.key} of {item.run_id} cannot be had: {error}")
                continue
            if claimed is not None:
                return item, claimed
        return None

    async def take_over(self, key: str) -> Taken:
        """One item of the seat, whoever holds it.

        Raises:
            ResumeKeyNotFound: the seat has no such item.
            SkepError: see `Engine.takeover` and, for a run that no process works on, `Engine.resume_run`.
        """
        found = [item for item in await self._items() if item.key == key]
        if not found:
            named = f"no work item {visible(key, 100)} for seat {visible(self._seat, 100)}"
            raise ResumeKeyNotFound(named, fix=f"`{command(self._store, 'questions')}` lists the open ones")
        if self._token is None and await self._is_deserted(found[0]):
            await self._take_up(found[0])
        return found[0], await self._engine.takeover(self._token, key)

    async def _items(self) -> list[WorkItem]:
        return await self._engine.list_work(self._token, seat=self._seat)

    async def _claim(self, item: WorkItem) -> Claimed | None:
        try:
            return await self._engine.claim(self._token, item.key)
        except InvalidTransition:
            if self._token is not None:
                raise
        if not await self._take_up(item):
            return None
        return await self._engine.claim(self._token, item.key)

    async def _recover(self, item: WorkItem) -> Claimed | None:
        """A held item, if its holder is the owner whose process has died; what somebody else holds stays theirs."""
        from skep.engine.acts.guarded import OWNER

        deserted = self._token is None and await self._is_deserted(item)
        if deserted and await self._take_up(item) and item.holder == OWNER.agent_id:
            return await self._engine.takeover(self._token, item.key)
        remedy = command(self._store, "operator", self._seat, "--takeover", item.key)
        self._tell(item, "held", f"{item.key} is held by {item.holder} ({remedy})")
        return None

    async def _is_deserted(self, item: WorkItem) -> bool:
        """Whether no living process works on the item's run."""
        return item.run_id is not None and not await self._engine.elsewhere.is_owned(f"run:{item.run_id}")

    async def _take_up(self, item: WorkItem) -> bool:
        """Go on with the item's run here; false when another process was quicker."""
        assert item.run_id is not None  # noqa: S101 - what is deserted is a run
        try:
            await self._engine.resume_run(item.run_id)
        except InvalidTransition:
            return False
        write(f"{item.run_id} goes on here: no other process works on it")
        return True

    def _tell(self, item: WorkItem, what: str, text: str) -> None:
        told = item.key, item.generation, what
        if told not in self._told:
            self._told.add(told)
            write(visible(text, 1_000))


def write(text: str) -> None:
    """One line to whoever sits at the terminal, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
