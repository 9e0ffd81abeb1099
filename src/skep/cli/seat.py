"""One who sits at a seat: the work is shown, and the answer taken, one item after the other."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from skep.cli.claiming import Claiming, write
from skep.cli.text import in_short, visible
from skep.errors import BadValue, ConfigError, LimitExceeded, SkepError

if TYPE_CHECKING:
    from skep.engine.acts.work import Claimed, WorkItem
    from skep.engine.engine import Engine

_LOOK = 0.2
"""Seconds between two looks whether the store has changed."""
_LINES = 500
"""Lines of a prompt that are shown."""
_BLOCK = ":block"
_HINT = f"(JSON, text, or @FILE; {_BLOCK} WHY: it cannot be done; Ctrl-D gives it back and leaves)"


async def serve(seat: str, token: str | None, store: str | None, takeover: str | None) -> None:
    """Sit at a seat until whoever sits there leaves."""
    from skep.cli.interrupts import install, leave_when_signalled
    from skep.cli.store import open_engine

    loop, serving = asyncio.get_running_loop(), asyncio.current_task()
    assert serving is not None  # noqa: S101 - this is one

    def leave(_number: int, _frame: object) -> None:
        leave_when_signalled(as_json=False)
        loop.call_soon_threadsafe(serving.cancel)

    async with open_engine(store) as engine:
        install(leave)
        await Seat(engine, seat, token, Claiming(engine, seat, token, store)).serve(takeover)


class Seat:
    """One seat, and who sits there."""

    def __init__(self, engine: Engine, name: str, token: str | None, claiming: Claiming) -> None:
        self._engine = engine
        self._name = name
        self._token = token
        self._claiming = claiming
        self._left = False

    async def serve(self, first: str | None) -> None:
        """Take what is offered until the person leaves; `first` is taken over before."""
        if first is not None:
            await self._work(*await self._claiming.take_over(first))
        watch = self._engine.journal.watch()
        told = False
        while not self._left:
            taken = await self._claiming.take_next()
            if taken is not None:
                await self._work(*taken)
                told = False
            elif await watch.changed():
                continue
            else:
                if not told:
                    write(f"no work for seat {visible(self._name, 100)}; waiting (Ctrl-C leaves)")
                    told = True
                await asyncio.sleep(_LOOK)

    async def _work(self, item: WorkItem, claimed: Claimed) -> None:
        from skep.terminal import read_line

        _show(item)
        lost = asyncio.ensure_future(self._hold(claimed))
        try:
            while (line := await read_line("> ", (lost,))) is not None:
                if line.strip() and await self._deliver(claimed, line):
                    return
            if lost.done():
                write(visible(lost.result(), 500))
                return
            self._left = True
            await self._give_back(claimed)
        except asyncio.CancelledError:
            await self._give_back(claimed)
            raise
        finally:
            lost.cancel()

    async def _deliver(self, claimed: Claimed, line: str) -> bool:
        """Whether the item has ended; a refused result leaves it open."""
        ok = not line.startswith(_BLOCK)
        try:
            value = _value(line) if ok else line.removeprefix(_BLOCK).strip()
            delivered = await self._engine.complete(claimed.handle, claimed.key, value, ok=ok)
        except (BadValue, LimitExceeded, ConfigError) as error:
            write(f"refused: {visible(str(error), 500)}")
            return False
        except SkepError as error:
            write(visible(str(error), 500))
            return True
        write("delivered" if delivered.acted else "kept for the run's next owner")
        return True

    async def _hold(self, claimed: Claimed) -> str:
        """Keep the claim alive; returns when it has ended, and says why."""
        engine, loop = self._engine, asyncio.get_running_loop()
        watch = engine.journal.watch()
        pause = max(1.0, (claimed.lease_until - engine.ledger.now()) / 3000)
        due = loop.time() + pause
        try:
            while True:
                await asyncio.sleep(_LOOK)
                if await watch.changed() and not await self._is_ours(claimed):
                    return f"{claimed.key} is no longer yours: it was taken over, or has ended"
                if loop.time() >= due:
                    await engine.renew(claimed.handle, claimed.key, claimed.generation)
                    due = loop.time() + pause
        except SkepError as error:
            return str(error)

    async def _is_ours(self, claimed: Claimed) -> bool:
        found = await self._engine.list_work(self._token, seat=self._name)
        ours = (claimed.key, claimed.generation)
        return any((item.key, item.generation) == ours and item.holder is not None for item in found)

    async def _give_back(self, claimed: Claimed) -> None:
        with contextlib.suppress(SkepError):  # then it was not ours any more
            await self._engine.release(claimed.handle, claimed.key, claimed.generation)
        write(f"{claimed.key} is given back")


def _value(line: str) -> Any:
    from skep.cli.inputs import parse_value, read_value

    return read_value(line, "result") if line.startswith("@") else parse_value(line, "result")


def _show(item: WorkItem) -> None:
    again = f", attempt {item.attempt}" if item.attempt > 1 else ""
    write(f"\n{item.key} of {item.run_id}: {visible(str(item.payload.get('agent')), 100)}{again}")
    for name in ("system", "prompt"):
        given = item.payload.get(name)
        if given is not None:
            text = given if isinstance(given, str) else in_short(given, 20_000)
            for line in text.splitlines()[:_LINES]:
                write(f"  {visible(line, 2_000)}")
    write(f"  {_HINT}")
