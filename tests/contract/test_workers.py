from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from skep.core.outputs import final
from skep.errors import QuestionClosed
from skep.layers.audit import Audit
from skep.layers.project_name_alias import ProjectNameAlias
from skep.layers.stack import Stack
from skep.testing.workers import BIG, WorkerContract
from skep.workers.base import Completion, JoinHandler
from skep.workers.operator.spawner import OperatorSpawner
from skep.workers.process.spawner import ProcessSpawner
from skep.workers.python.spawner import InProcSpawner


async def echo(inv):
    return inv.input


async def fail():
    raise ValueError("bad")


async def hang():
    await asyncio.Event().wait()


async def big():
    return "x" * BIG


ASYNC = {"echo": echo, "fail": fail, "hang": hang, "big": big}


class TestAsyncFunctions(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        return lambda behaviour: InProcSpawner(ASYNC[behaviour])


class TestSyncFunctions(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        def hang(inv):
            cancelled = threading.Event()
            while not inv.cancel_token.cancelled:
                cancelled.wait(0.01)

        functions = {
            "echo": lambda inv: inv.input,
            "fail": lambda: 1 / 0,
            "hang": hang,
            "big": lambda: "x" * BIG,
        }
        return lambda behaviour: InProcSpawner(functions[behaviour])


class TestProcesses(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        spawners = {
            "echo": ProcessSpawner("cat"),
            "fail": ProcessSpawner("sh", ["-c", "kill -9 $$"]),
            "hang": ProcessSpawner("sleep", ["60"]),
            "big": ProcessSpawner(sys.executable, ["-c", f"import json; print(json.dumps('x' * {BIG}))"]),
        }
        return spawners.__getitem__


def _taken_back(_attempt, _payload):
    raise QuestionClosed("work item R-1 was taken back")


class _Seated:
    """An operator spawner whose seat is taken by one who does as told."""

    runs_ahead = False

    def __init__(self, does):
        self._does = does

    async def spawn(self, ctx):
        ctx.channel.operator = self._does and (lambda attempt, _: self._does(attempt, ctx))
        return await OperatorSpawner("red").spawn(ctx)


class TestOperators(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        does = {
            "echo": lambda attempt, ctx: attempt.emit(final(ctx.input)),
            "fail": _taken_back,
            "hang": None,
            "big": lambda attempt, _: attempt.emit(final("x" * BIG)),
        }
        return lambda behaviour: _Seated(does[behaviour])


class TestLayeredFunctions(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        return lambda behaviour: (
            Stack(InProcSpawner(ASYNC[behaviour])).layer(Audit()).layer(ProjectNameAlias("hive"))
        )


class _ForeignWorker:
    """A worker of another make: no completion, only what the port asks for."""

    def __init__(self, inner):
        self.id = inner.id
        self.cancel_token = inner.cancel_token
        self._inner = inner

    async def join(self):
        await self._inner.join()


class _ForeignSpawner:
    runs_ahead = True

    def __init__(self, function):
        self._inner = InProcSpawner(function)

    async def spawn(self, ctx):
        return _ForeignWorker(await self._inner.spawn(ctx))


class TestForeignWorkers(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        return lambda behaviour: _ForeignSpawner(ASYNC[behaviour])


class _TaskSpawner:
    """The plainest spawner: its completion is an asyncio task."""

    runs_ahead = True

    def __init__(self, function):
        self._inner = InProcSpawner(function)

    async def spawn(self, ctx):
        inner = await self._inner.spawn(ctx)
        return JoinHandler(inner.id, inner.cancel_token, asyncio.ensure_future(inner.join()))


class TestTasksAsCompletions(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        return lambda behaviour: _TaskSpawner(ASYNC[behaviour])


def test_the_suite_notices_a_second_final():
    class Twice:
        runs_ahead = True

        async def spawn(self, ctx):
            worker = await InProcSpawner(echo).spawn(ctx)
            done = Completion()
            await worker.join()
            ctx.channel.emit(ctx.channel.outputs[0])
            done.resolve()
            return JoinHandler(worker.id, ctx.cancel_token, done)

    with pytest.raises(AssertionError):
        WorkerContract().test_the_result_reaches_the_channel_as_one_final(lambda _: Twice())
