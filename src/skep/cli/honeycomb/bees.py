"""The workers of `skep demo`. Each leaves a line in a file: a side effect that can be counted."""

from __future__ import annotations

import asyncio
from pathlib import Path

from skep import Invocation

EFFECTS = "effects.txt"
CELLS = 12
CLUMSY, SLOW = 2, 7
"""The cell whose first attempt fails, and the one that is being filled when the host is killed."""


async def scout(inv: Invocation) -> list[int]:
    """The cells to fill."""
    await _work(inv, 0.2)
    return list(range(CELLS))


async def fill(inv: Invocation) -> int:
    """Gather nectar for one cell."""
    inv.progress("gathering", f"cell {inv.input}")
    if inv.input == CLUMSY and inv.attempt == 1:
        raise RuntimeError("spilled the nectar")
    await _work(inv, 20 if inv.input == SLOW and inv.attempt == 1 else 0.25)
    return inv.input


async def seal(inv: Invocation) -> int:
    """Close one cell."""
    await _work(inv, 0.15)
    return inv.input


async def count(inv: Invocation) -> int:
    """How many cells hold honey."""
    await _work(inv, 0.1)
    return len(inv.input)


async def _work(inv: Invocation, seconds: float) -> None:
    await asyncio.sleep(seconds)
    with Path(inv.work_dir or ".", EFFECTS).open("a", encoding="utf-8") as effects:  # noqa: ASYNC230 - one line
        effects.write(f"{inv.step_key}\n")
