"""`/bin/true` by asyncio alone, 32 at once: started, both pipes read to their end, reaped; nothing else."""

from __future__ import annotations

import asyncio
import sys
import time

from probe import WARM_UP, report, require

AT_ONCE = 32


async def run(watcher: str, count: int) -> None:
    if watcher == "pidfd":
        asyncio.set_child_watcher(asyncio.PidfdChildWatcher())
        asyncio.get_child_watcher().attach_loop(asyncio.get_running_loop())
    slots = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with slots:
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec("/bin/true", stdin=pipe, stdout=pipe, stderr=pipe)
            await process.communicate(b"1")
            require(process.returncode == 0, "a program did not end well")

    await asyncio.gather(*(one() for _ in range(WARM_UP)))
    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    seconds = time.perf_counter() - start
    report(us_per_process=seconds / count * 1e6, processes_per_second=count / seconds)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2])))
