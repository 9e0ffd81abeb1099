"""What every part of the suite stands on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Protocol

import pytest
from hypothesis import HealthCheck, settings

from skep.core.events import AnyEvent, TaskPass
from skep.journal.base import Durable, Journal, Recorded, RunSummary, StreamBatch, StreamItem
from skep.limits import DEFAULT_LIMITS, Limits

OpenJournal = Callable[[], Journal]


class NewStore(Protocol):
    """The factory fixture."""

    def __call__(self, limits: Limits = DEFAULT_LIMITS) -> OpenJournal: ...


examples = settings(
    max_examples=25,
    deadline=None,
    # The fixture is a factory: each example makes a store of its own. The suite is run for several adapters.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


@asynccontextmanager
async def opened(journal: Journal) -> AsyncGenerator[Journal]:
    """`journal`, open."""
    await journal.open()
    try:
        yield journal
    finally:
        await journal.close()


class Ear:
    """Hears everything that a journal announces."""

    def __init__(self, journal: Journal) -> None:
        self.heard: list[Durable] = []
        self.failures: list[Exception] = []
        journal.listen(self.heard.append, self.failures.append)

    @property
    def recorded(self) -> list[Recorded]:
        return [recorded for durable in self.heard for recorded in durable.recorded]


def events(*names: str) -> list[AnyEvent]:
    """One small event a name."""
    return [TaskPass(at=1, task_id=name) for name in names]


def names(recorded: Sequence[Recorded]) -> list[str]:
    """The names that `events` gave."""
    return [item.event.task_id for item in recorded if isinstance(item.event, TaskPass)]


def summary(run_id: str, status: str = "running", **fields: Any) -> RunSummary:
    """A run's summary row."""
    defaults: dict[str, Any] = {
        "blueprint": "b" * 64,
        "blueprint_id": "demo",
        "work_dir": "/tmp",  # noqa: S108 - only a name here
        "created_at": 1,
        "updated_at": 1,
    }
    return RunSummary(run_id=run_id, status=status, **{**defaults, **fields})


async def settle(journal: Journal, seq: int) -> None:
    """Wait until `seq` is durable and has been announced."""
    await journal.flushed(seq)
    await asyncio.sleep(0)


def items(task_id: str, *numbers: int) -> list[StreamItem]:
    """Stream items of one task."""
    return [StreamItem(task_id, 1, number, 5, 9, f"{task_id}{number}".encode()) for number in numbers]


def batch(task_id: str, *numbers: int) -> StreamBatch:
    """The same items as they came: `numbers` follow each other."""
    data = [item.data for item in items(task_id, *numbers)]
    return StreamBatch(task_id, 1, numbers[0], 5, 9, data)


class Part:
    """What every part of the suite stands on."""

    persistent: ClassVar[bool] = True
    """A closed store can be opened again."""
    shared: ClassVar[bool] = True
    """Several journals may have the store open."""

    def reopening(self) -> None:
        if not self.persistent:
            pytest.skip("this store ends with its journal")

    def sharing(self, store: OpenJournal) -> AbstractAsyncContextManager[Journal]:
        if not self.shared:
            pytest.skip("this store takes one journal at a time")
        return opened(store())
