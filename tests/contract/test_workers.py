from __future__ import annotations

import asyncio
import secrets
import sys
import threading

import pytest

from skep.core.outputs import final
from skep.errors import QuestionClosed
from skep.flow.parts import SubprocessDef
from skep.layers.audit import Audit
from skep.layers.project_name_alias import ProjectNameAlias
from skep.layers.stack import Stack
from skep.lua.isolation.pool import ChildPool
from skep.lua.isolation.runner import ChildRunner
from skep.lua.runner import Script
from skep.testing.workers import BIG, ReusableContract, WorkerContract
from skep.workers.base import BuildEnv, Completion, JoinHandler, wrap_join
from skep.workers.lua.kind import LuaKind
from skep.workers.lua.scripts import LuaScripts
from skep.workers.lua.spawner import LuaSpawner
from skep.workers.operator.spawner import OperatorSpawner
from skep.workers.pool import PoolSize
from skep.workers.process.spawner import ProcessSpawner
from skep.workers.process.streams import StreamMode
from skep.workers.process.template import TemplateSpawner
from skep.workers.python.reusable import class_spawner
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


class TestPullingProcesses(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        spawners = {
            "echo": ProcessSpawner("cat", pull=True),
            "fail": ProcessSpawner("sh", ["-c", "kill -9 $$"], pull=True),
            "hang": ProcessSpawner("sleep", ["60"], pull=True),
            "big": ProcessSpawner(
                sys.executable, ["-c", f"import json; print(json.dumps('x' * {BIG}))"], pull=True
            ),
        }
        return spawners.__getitem__


class TestTemplates(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        commands = {
            "echo": ("cat",),
            "fail": ("sh", "-c", "kill -9 $$"),
            "hang": ("sleep", "60"),
            "big": (sys.executable, "-c", f"import json; print(json.dumps('x' * {BIG}))"),
        }
        return lambda behaviour: TemplateSpawner(
            SubprocessDef(name=behaviour, argv=commands[behaviour], stdin="{prompt}")
        )


STREAMING = f"""
import json, os, signal, sys, time
mode, do, prompt = sys.argv[1:]
if do == "fail":
    os.kill(os.getpid(), signal.SIGKILL)
if do == "hang":
    time.sleep(60)
value = "x" * {BIG} if do == "big" else json.loads(prompt)
data = json.dumps({{"type": "final", "content": {{"kind": "inline", "value": value}}}}).encode()
if mode == "sse_events":
    data = b"data: " + data + b"\\n\\n"
if mode == "length_prefixed":
    data = len(data).to_bytes(4, "big") + data
sys.stdout.buffer.write(data)
"""


class TestStreamingProcesses(WorkerContract):
    @pytest.fixture(params=list(StreamMode))
    def spawner_of(self, request):
        base = ProcessSpawner.cmd(sys.executable).args("-c", STREAMING, request.param.value)
        return lambda behaviour: base.stream_mode(request.param).arg(behaviour).use_stdin(False)


PERSISTENT = f"""
import json, os, signal, sys, time
served = 0
for line in sys.stdin:
    request = json.loads(line)
    given = json.loads(request["prompt"])
    do = sys.argv[1] if len(sys.argv) > 1 else given["do"]
    served += 1
    if do in ("fail", "crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "hang":
        time.sleep(60)
    value = {{"echo": given, "count": [os.getpid(), served], "big": "x" * {BIG}}}[do]
    event = {{"id": request["id"], "type": "final", "content": {{"kind": "inline", "value": value}}}}
    print(json.dumps(event), flush=True)
"""


def persistent(*args, size=None):
    return ProcessSpawner(sys.executable, ["-c", PERSISTENT, *args], persistent=True, pool=size)


class TestPersistentProcesses(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        return persistent


class TestReusableProcesses(ReusableContract):
    @pytest.fixture
    def pooled_of(self):
        return lambda size: persistent(size=size)


class Served:
    """A class agent that does what its input says."""

    def __init__(self):
        self.name = secrets.token_hex(4)
        self.served = 0

    async def __call__(self, inv):
        self.served += 1
        if inv.input["do"] == "crash":
            raise ValueError("crash")
        if inv.input["do"] == "hang":
            await asyncio.Event().wait()
        return [self.name, self.served]


class ServedInThread(Served):
    def __call__(self, inv):
        self.served += 1
        if inv.input["do"] == "crash":
            raise ValueError("crash")
        while inv.input["do"] == "hang" and not inv.cancel_token.cancelled:
            threading.Event().wait(0.01)
        return [self.name, self.served]


class TestReusableObjects(ReusableContract):
    @pytest.fixture(params=[Served, ServedInThread])
    def pooled_of(self, request):
        return lambda size: class_spawner(request.param, size)


class TestObjects(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        def behaving(behaviour):
            class Does:
                async def __call__(self, inv):
                    return await (ASYNC[behaviour](inv) if behaviour == "echo" else ASYNC[behaviour]())

            return class_spawner(Does, PoolSize())

        return behaving


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


LUA = {
    "echo": "return _CTX",
    "fail": "error('bad')",
    "hang": "while true do pcall(function() while true do end end) end",
    "big": f"return string.rep('x', {BIG})",
}


class TestScripts(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        kind = LuaKind(LuaScripts())
        return lambda behaviour: kind.build("a", {"source": LUA[behaviour]}, BuildEnv())


class _Strange:
    """A script in a process; each attempt ends when the next process stands, so that no task of the pool is left."""

    runs_ahead = True

    def __init__(self, source):
        self._pool = ChildPool()
        self._spawner = LuaSpawner(Script(source), lambda _ctx: ChildRunner(self._pool, "somebody"))

    async def spawn(self, ctx):
        async def stand(outcome):
            await self._pool.warm()
            return outcome

        return wrap_join(await self._spawner.spawn(ctx), stand)

    async def close(self):
        await self._pool.shutdown()


class TestUntrustedScripts(WorkerContract):
    @pytest.fixture
    def spawner_of(self):
        return lambda behaviour: _Strange(LUA[behaviour])


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
