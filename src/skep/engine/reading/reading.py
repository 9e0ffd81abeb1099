"""Reading runs back: their events from the first to the last, and how they ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from skep.core import events as ev
from skep.engine.reading.subscriptions import Check, Subscriptions
from skep.engine.reading.views import EventView, show_stream
from skep.engine.runs.info import ENDED, RunInfo
from skep.errors import RunNotFound
from skep.journal.base import Journal, RunSummary, StreamItem, Watch

PAGE = 1_000
"""Events read at once."""
LOOKS_A_SECOND = 4
"""How often commits of other processes are looked for."""
LIVE_STREAM = 256
"""Live stream items that wait for a slow reader; the oldest go first."""


async def find_run(journal: Journal, run_id: str) -> RunSummary:
    """The run with this id, or with the only id that begins so.

    Raises:
        RunNotFound: none, or several.
    """
    row = await journal.get_run(run_id)
    if row is not None:
        return row
    found = await journal.list_runs(limit=3, prefix=run_id) if run_id else []
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(row.run_id for row in found)
        raise RunNotFound(f"several runs begin with {run_id!r}: {names} ...", fix="give more of the id")
    raise RunNotFound(f"no run {run_id!r} in this store", fix="`skep ps` lists them")


async def read_run(journal: Journal, row: RunSummary) -> RunInfo:
    """The whole of what is known of a run."""
    info = RunInfo.from_summary(row)
    if info.status not in ENDED:
        return info
    log = f"run:{row.run_id}"
    finished = await _last_event(journal, log)
    if not isinstance(finished, ev.RunFinished):
        return info
    view = EventView(journal, log)
    result = await view.value(finished.result) if finished.result is not None else None
    return info.with_end(result=result, error=finished.error)


async def _last_event(journal: Journal, log: str) -> ev.AnyEvent | None:
    last = await journal.read_last(log)
    return last.event if last is not None else None


async def run_events(
    journal: Journal,
    subscriptions: Subscriptions,
    run_id: str,
    *,
    after: int = 0,
    follow: bool,
    streams: bool,
    check: Check | None = None,
) -> AsyncGenerator[dict[str, Any], None]:
    """The events of a run with version > `after`; with `follow` until it has ended, with `streams` the live lane too.

    It reads the journal whenever that has grown, so it sees only what is durable and can never lag. `check` is asked
    before each look, at least once a second: what it raises ends the reading.
    """
    log = f"run:{run_id}"
    view = await _view_from(journal, log, after)
    waker = subscriptions.watch(log)
    watch = journal.watch()
    live: deque[StreamItem] = deque(maxlen=LIVE_STREAM)

    def take(item: StreamItem) -> None:
        live.append(item)
        waker.set()

    stop = subscriptions.listen_stream(log, take) if streams else None
    try:
        while True:
            if check is not None:
                await check()
            waker.clear()
            ended = not follow or await _has_ended(journal, run_id)
            page = await journal.read(log, after, PAGE)
            for recorded in page:
                after = recorded.version
                yield await view.show(recorded)
            while live:
                yield show_stream(live.popleft())
            if not page and ended:
                return
            if not page:
                await _grown(waker, watch, LOOKS_A_SECOND if check is not None else None)
    finally:
        subscriptions.unwatch(log, waker)
        if stop is not None:
            stop()


async def _view_from(journal: Journal, log: str, after: int) -> EventView:
    """A view that knows what came before version `after`, so that later events can show it."""
    view = EventView(journal, log)
    version = 0
    while version < after and (page := await journal.read(log, version, PAGE)):
        for recorded in page:
            if recorded.version <= after:
                view.prime(recorded)
        version = page[-1].version
    return view


async def _has_ended(journal: Journal, run_id: str) -> bool:
    row = await journal.get_run(run_id)
    if row is None:
        raise RunNotFound(f"no run {run_id!r} in this store", fix="`skep ps` lists them")
    return row.status in ENDED


async def _grown(waker: asyncio.Event, watch: Watch, looks: int | None) -> None:
    """Wait for news: our own commits wake us, those of another process are looked for, `looks` times at most."""
    while not waker.is_set() and looks != 0:
        looks = looks - 1 if looks is not None else None
        try:
            async with asyncio.timeout(1 / LOOKS_A_SECOND):
                await waker.wait()
        except TimeoutError:
            if await watch.changed():
                return
