from __future__ import annotations

import asyncio
import threading

from skep.cli.watchdog import Watchdog


def test_a_loop_that_is_held_is_noticed_and_counted():
    asyncio.run(_hold())


async def _hold() -> None:
    noticed = threading.Event()
    seen: list[int] = []

    def silent(ticks: int) -> None:
        seen.append(ticks)
        if ticks == 3:
            noticed.set()

    watchdog = Watchdog(asyncio.get_running_loop(), silent, tick=0.01)
    watchdog.start()
    assert noticed.wait(timeout=10)  # this holds the loop
    watchdog.stop()
    assert seen[:3] == [1, 2, 3]
