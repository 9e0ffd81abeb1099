"""A spawner whose workers end when a test says so, and attempts that a test can cancel."""

from __future__ import annotations

import asyncio

from skep.errors import SkepError
from skep.flow.agents import AgentDef
from skep.ids import WORKER, new_id
from skep.limits import DEFAULT_LIMITS
from skep.testing.clock import FakeClock
from skep.testing.workers import make_ctx
from skep.workers.base import Completion, JoinHandler
from skep.workers.layer_env import LayerEnv


def layer_env(clock=None, agent="a", blueprint=None, limits=DEFAULT_LIMITS, *, trusted=True):
    return LayerEnv(
        agent=AgentDef(name=agent, kind="python"),
        blueprint=blueprint,
        clock=clock or FakeClock(),
        limits=limits,
        trusted=trusted,
    )


class Bench:
    """`started` are the inputs in the order of their start; `end(n)` ends the worker of input `n`."""

    runs_ahead = True

    def __init__(self):
        self.started = []
        self.contexts = {}
        self.workers = {}
        self.refuse = None
        self.peak = 0

    async def spawn(self, ctx):
        if self.refuse is not None:
            raise self.refuse
        self.started.append(ctx.input)
        self.contexts[ctx.input] = ctx
        self.workers[ctx.input] = completion = Completion()
        self.peak = max(self.peak, len(self.running))
        return JoinHandler(new_id(WORKER), ctx.cancel_token, completion)

    @property
    def running(self):
        return [n for n, completion in self.workers.items() if not completion.resolved]

    def end(self, n, outcome=None):
        self.workers[n].resolve(outcome)


class Attempts:
    """Attempts on their way through a spawner, each in a task of its own; `told` is how each one ended."""

    def __init__(self, spawner):
        self.spawner = spawner
        self.contexts = {}
        self.tasks = {}
        self.told = {}

    def begin(self, n, **fields):
        fields.setdefault("task_id", f"T-{n:016x}")
        self.contexts[n] = make_ctx(n, **fields)
        self.tasks[n] = asyncio.get_running_loop().create_task(self._perform(n))

    async def _perform(self, n):
        try:
            worker = await self.spawner.spawn(self.contexts[n])
            await worker.join()
        except SkepError as error:
            self.told[n] = error
        else:
            self.told[n] = None


async def settle():
    """Let everything that can go on do so."""
    for _ in range(8):
        await asyncio.sleep(0)
