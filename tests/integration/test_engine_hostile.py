"""Workers that return what they must not, end as they must not, or do not end (issue: bad input)."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from msgspec import Raw

from engines import Agents, blueprint, chain, lit, path, step
from skep import Engine
from skep.core.outputs import Artifact, Blob, FileRef, Final, Inline, Progress, inline
from skep.errors import BadValue, LimitExceeded
from skep.layers.audit import Audit
from skep.layers.registry import LayerRegistry, always
from skep.limits import Limits
from skep.testing.aio import run

LAYERED = LayerRegistry().with_base("audit", always(Audit))
WAYS = pytest.mark.parametrize("layers", [None, LAYERED], ids=["performed", "layered"])


def result_of(function, given=None, limits=None, flow=None, layers=None):
    async def main():
        async with Engine.open("memory:", limits=limits or Limits(), layers=layers) as engine:
            engine.agent("bad")(function)
            Agents(engine)
            handle = await engine.start(blueprint(flow or step("bad")), given or {})
            return await handle.wait()

    return run(main())


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (float("nan"), "nan is not a JSON number"),
        ({1, 2}, "set has no JSON form"),
        ({1: 2}, "key 1 is not a string"),
        ("\ud800", "lone surrogate"),
        (object(), "object has no JSON form"),
        (2**70, "64 bits"),
    ],
)
def test_a_value_that_json_cannot_carry_fails_the_attempt(value, says):
    async def bad(inv):
        return value

    info = result_of(bad)
    assert info.status == "failed"
    assert says in info.error["message"]


def test_a_value_of_20_mb_is_kept_and_one_over_the_limit_is_refused():
    async def bad(inv):
        return "x" * inv.input

    info = result_of(bad, {"size": 20_000_000}, flow=step("bad", "$.size"))
    assert len(info.result["out"]) == 20_000_000
    info = result_of(bad, {"size": 2_000_000}, Limits(max_value_bytes=1_000_000), step("bad", "$.size"))
    assert info.error["code"] == "E-STEP-FAILED" or "max_value_bytes" in info.error["message"]
    assert "max_value_bytes" in info.error["message"]


@WAYS
@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, GeneratorExit, BaseException, asyncio.CancelledError]
)
def test_a_raised_base_exception_never_reaches_the_loop(error, layers):
    async def bad(inv):
        raise error("out")

    flow = {"kind": "try", "body": step("bad"), "catch": step("echo", lit("alive"), "$.after")}
    info = result_of(bad, flow=flow, layers=layers)
    assert info.status == "done"
    assert info.result["after"] == "alive"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_nor_one_from_a_thread(error):
    def bad(inv):
        raise error("out")

    assert result_of(bad).status == "failed"


def test_a_result_changed_after_it_was_returned_does_not_change_the_flow():
    kept = []

    async def bad(inv):
        value = {"list": [1]}
        kept.append(value)
        return value

    async def main():
        async with Engine.open("memory:") as engine:
            engine.agent("bad")(bad)

            @engine.agent("spoil")
            async def spoil(inv):
                kept[0]["list"].append("spoiled")
                inv.input["list"].append("mine")
                return 1

            handle = await engine.start(blueprint([step("bad", out="$.v"), step("spoil", "$.v")]), {})
            return await handle.result()

    assert run(main())["v"] == {"list": [1]}


@WAYS
def test_a_worker_that_ignores_cancel_is_left_behind(layers):
    limits = Limits(kill_grace=0.05)
    stop = threading.Event()

    async def bad(inv):
        while not stop.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                continue

    async def main():
        async with Engine.open("memory:", limits=limits, layers=layers) as engine:
            engine.agent("bad")(bad)
            Agents(engine)
            flow = {"kind": "try", "body": step("bad", timeout=0.05), "catch": step("echo", lit(1), "$.r")}
            handle = await engine.start(blueprint(flow), {})
            info = await handle.wait()
            stop.set()
            return info, engine.stats(), engine.agents["bad"].abandoned

    info, stats, left_behind = run(main())
    assert info.result["r"] == 1
    assert left_behind == 1
    assert stats["abandoned_workers"] == 1


def test_a_thread_that_does_not_end_is_abandoned_and_does_not_hold_the_run():
    limits = Limits(kill_grace=0.05)
    release = threading.Event()

    def bad(inv):
        release.wait(20)

    async def main():
        async with Engine.open("memory:", limits=limits) as engine:
            engine.agent("bad")(bad)
            handle = await engine.start(blueprint(step("bad", timeout=0.05)), {})
            return await handle.wait()

    began = time.monotonic()
    info = run(main())
    release.set()
    assert info.status == "failed"
    assert "timeout" in info.error["message"]
    assert time.monotonic() - began < 10


def test_a_fanout_wider_than_the_open_task_bound_fails_with_the_remedy():
    async def bad(inv):
        return 1

    flow = {
        "kind": "fanout",
        "items": path("$.items"),
        "bind": path("$.item"),
        "body": step("bad"),
        "join": "all",
        "out": path("$.r"),
    }
    info = result_of(bad, {"items": list(range(60))}, Limits(max_open_tasks=50), flow)
    assert info.status == "failed"
    assert "max_open_tasks" in info.error["message"]


def test_a_long_chain_does_not_starve_the_loop():
    async def main():
        async with Engine.open("memory:") as engine:
            Agents(engine)
            ticks = 0

            async def ticker():
                nonlocal ticks
                while True:
                    await asyncio.sleep(0)
                    ticks += 1

            ticking = asyncio.ensure_future(ticker())
            handle = await engine.start(blueprint(chain(2_000)), {"n": 0})
            await handle.result()
            ticking.cancel()
            return ticks

    assert run(main()) > 20


def cancels_itself_and_waits():
    async def bad(inv):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    return bad


def cancels_itself_and_returns():
    async def bad(inv):
        asyncio.current_task().cancel()
        return 1

    return bad


def swallows_its_own_cancel():
    async def bad(inv):
        asyncio.current_task().cancel()
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return 1

    return bad


@WAYS
@pytest.mark.parametrize(
    ("make", "passes"),
    [(cancels_itself_and_waits, False), (cancels_itself_and_returns, True), (swallows_its_own_cancel, True)],
)
def test_a_worker_that_cancels_its_own_task_ends_its_attempt_and_nothing_else(make, passes, layers):
    body = {"kind": "try", "body": step("bad"), "catch": step("echo", lit("caught"))}
    info = result_of(make(), {"n": 0}, flow=[body, chain(40)], layers=layers)
    assert info.status == "done"
    assert info.result["n"] == 40
    assert info.result["out"] == (1 if passes else "caught")


def test_a_worker_that_cancels_a_task_it_once_ran_in_hangs_no_run():
    async def main():
        async with Engine.open("memory:") as engine:
            Agents(engine)
            kept = []

            @engine.agent("keep")
            async def keep(inv):
                kept.append(asyncio.current_task())

            @engine.agent("strike")
            async def strike(inv):
                asyncio.get_running_loop().call_soon(kept[0].cancel)
                await asyncio.sleep(0.01)

            flow = [step("keep"), {"kind": "try", "body": step("strike"), "catch": step("echo")}, chain(5)]
            handle = await engine.start(blueprint(flow), {"n": 0})
            return await handle.wait()

    assert run(main()).result["n"] == 5


def test_a_foreign_worker_whose_join_is_cancelled_has_failed():
    class Vanishing:
        id = "W-0000000000000000"

        async def join(self):
            raise asyncio.CancelledError

    class Spawner:
        runs_ahead = True

        async def spawn(self, ctx):
            worker = Vanishing()
            worker.cancel_token = ctx.cancel_token
            return worker

    class Replacing:
        name = "replacing"

        def __call__(self, inner):
            return Spawner()

    async def main():
        layers = LayerRegistry().with_base("replacing", always(Replacing))
        async with Engine.open("memory:", layers=layers) as engine:
            Agents(engine)
            handle = await engine.start(blueprint(step("echo")), {})
            return await handle.wait()

    assert "channel closed" in run(main()).error["message"]


SURROGATE = "bad \udcff"


def test_text_that_utf8_cannot_carry_stays_with_the_attempt_that_said_it(tmp_path):
    async def main():
        async with Engine.open(f"sqlite:///{tmp_path}/skep.db") as engine:
            agents = Agents(engine)

            @engine.agent("raises")
            async def raises(inv):
                raise ValueError(SURROGATE)

            @engine.agent("names")
            async def names(inv):
                for name in (SURROGATE, "x" * 10_000):
                    with pytest.raises((BadValue, LimitExceeded)):
                        inv.artifact(name, 1)
                with pytest.raises(BadValue):
                    inv.emit(Final(FileRef("x", mime=SURROGATE)))
                inv.progress(SURROGATE)
                inv.partial(SURROGATE)
                return "ok"

            other = await engine.start(blueprint(step("gate")), {})
            bad = await (await engine.start(blueprint(step("raises")), {})).wait()
            named = await (await engine.start(blueprint(step("names")), {})).wait()
            with pytest.raises(BadValue):
                await engine.start(blueprint(step("echo")), {}, work_dir=str(tmp_path / SURROGATE))
            with pytest.raises(BadValue):
                await engine.attach(SURROGATE, "operator")
            agents.release.set()
            return bad, named, await other.wait()

    bad, named, other = run(main())
    assert "bad \\udcff" in bad.error["message"]
    assert (named.status, other.status) == ("done", "done")


class Mute(Exception):
    def __str__(self):
        raise ValueError("and that from its text")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_error_whose_text_raises_fails_its_attempt_and_hangs_nothing(kind):
    def bad(inv):
        raise Mute

    async def later(inv):
        raise Mute

    info = result_of(bad if kind == "sync" else later)
    assert info.status == "failed"
    assert "worker fn returned error: Mute (its text cannot be had" in info.error["message"]


def test_an_error_message_is_cut():
    async def bad(inv):
        raise ValueError("x" * 5_000_000)

    info = result_of(bad)
    assert len(info.error["message"]) < 10_000


def test_raw_json_from_a_worker_is_checked():
    async def bad(inv):
        for content in (Inline(Raw(b"{nope")), Inline(Raw(b"[1e999]")), Blob("0" * 64, 1)):
            with pytest.raises(BadValue):
                inv.emit(Final(content))
        return "ok"

    assert result_of(bad).status == "done"


ODD = [
    Final(inline(1), ok=object()),
    Artifact(7, inline(1)),
    Final(FileRef("x", size_hint=2**70)),
    Progress(b"x"),
]


@pytest.mark.parametrize("event", ODD, ids=["ok", "name", "size_hint", "stage"])
def test_an_output_whose_fields_are_not_of_their_types_fails_its_attempt_on_every_store(tmp_path, event):
    async def end_on(url):
        async with Engine.open(url) as engine:

            @engine.agent("emits")
            async def emits(inv):
                if isinstance(event, Final):
                    with pytest.raises(BadValue):
                        inv._ctx.channel.deliver(event)
                inv.emit(event)

            return await (await engine.start(blueprint(step("emits")))).wait()

    for url in ("memory:", f"sqlite:///{tmp_path}/skep.db"):
        info = run(end_on(url))
        assert info.status == "failed"
        assert "BadValue" in info.error["message"]
