"""Whole runs through the engine, on every store (rows 10-13 and 28-32 of the reference's table)."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, chain, lit, path, step
from skep import Engine
from skep.errors import BlueprintError, KindNotYet, RunFailed, RunNotFound
from skep.testing.aio import run


@pytest.fixture(params=["memory", "sqlite"])
def url(request, tmp_path):
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/skep.db"


def execute(url, document, given=None, **options):
    async def main():
        async with Engine.open(url) as engine:
            agents = Agents(engine)
            handle = await engine.start(document, given or {}, **options)
            return await handle.wait(), agents.calls

    return run(main())


@pytest.mark.parametrize("durability", ["group", "step"])
def test_a_chain_runs_to_its_end(url, durability):
    info, calls = execute(url, blueprint(chain(200)), {"n": 0}, durability=durability)
    assert info.status == "done"
    assert info.result == {"n": 200, "i": 200}
    assert info.stats["steps"] == 200
    assert set(calls.values()) == {1}


def test_ok_false_raises_in_the_flow(url):
    info, _ = execute(url, blueprint(step("no")))
    assert info.status == "failed"
    assert info.error["message"] == 'dispatcher error for ref \'no\': blocked: {"verdict":"no"}'
    assert info.error["step"] == "0"


def test_a_raising_worker_blocks_its_step_with_its_message(url):
    info, _ = execute(url, blueprint(step("boom")))
    assert info.status == "failed"
    assert "worker fn returned error: ValueError: bad" in info.error["message"]


def test_try_rolls_back_and_keeps_the_error(url):
    flow = {
        "kind": "try",
        "body": {"kind": "seq", "children": [step("echo", lit(1), "$.half"), step("boom")]},
        "catch": step("echo", lit("caught"), "$.after"),
        "err_at": path("$.err"),
    }
    info, _ = execute(url, blueprint(flow), {"kept": True})
    assert info.status == "done"
    assert "half" not in info.result
    assert info.result["kept"]
    assert info.result["after"] == "caught"
    assert "ValueError: bad" in info.result["err"]


def fanout(body, join="all", **fields):
    return {
        "kind": "fanout",
        "items": path("$.items"),
        "bind": path("$.item"),
        "body": body,
        "join": join,
        "out": path("$.results"),
        **fields,
    }


def test_fanout_all_gives_whole_ctxs_in_item_order(url):
    info, _ = execute(url, blueprint(fanout(step("inc", "$.item", "$.r"))), {"items": [3, 1, 2, 0]})
    assert [lane["r"] for lane in info.result["results"]] == [4, 2, 3, 1]
    assert info.result["results"][0] == {"items": [3, 1, 2, 0], "item": 3, "r": 4}


@pytest.mark.parametrize("durability", ["group", "step"])
def test_lanes_that_wait_for_each_other_have_all_begun(url, durability):
    async def main():
        async with Engine.open(url) as engine:
            here, all_here = [], asyncio.Event()

            @engine.agent("meet")
            async def meet(inv):
                here.append(inv.input)
                if len(here) == 100:
                    all_here.set()
                await all_here.wait()
                return len(here)

            twice = [step("meet", "$.item", "$.r"), step("meet", "$.r", "$.r")]
            lanes = fanout({"kind": "seq", "children": twice}, select=path("$.r"))
            handle = await engine.start(blueprint(lanes), {"items": list(range(100))}, durability=durability)
            return (await handle.result())["results"], here[:100]

    results, order = run(main())
    assert len(results) == 100
    assert order == list(range(100))


def test_lanes_that_do_not_wait_take_few_asyncio_tasks():
    async def main():
        async with Engine.open("memory:") as engine:
            performers = set()

            @engine.agent("note")
            async def note(inv):
                performers.add(asyncio.current_task())

            await (await engine.start(blueprint(fanout(step("note"))), {"items": [0] * 300})).result()
            return len(performers)

    assert run(main()) < 30


def test_fanout_select_and_max_concurrency(url):
    flow = fanout(step("inc", "$.item", "$.r"), select=path("$.r"), max_concurrency=2)
    info, _ = execute(url, blueprint(flow), {"items": list(range(50))})
    assert info.result["results"] == list(range(1, 51))


def test_all_settled_keeps_the_failures(url):
    body = {
        "kind": "branch",
        "cond": {"op": "eq", "lhs": path("$.item"), "rhs": lit(1)},
        "then": step("boom"),
        "else": step("echo", "$.item", "$.r"),
    }
    info, _ = execute(url, blueprint(fanout(body, "all_settled", select=path("$.r"))), {"items": [0, 1]})
    good, bad = info.result["results"]
    assert good == {"status": "fulfilled", "value": 0}
    assert bad["status"] == "rejected"
    assert "bad" in bad["reason"]


def test_branch_on_a_non_boolean_fails(url):
    flow = {"kind": "branch", "cond": path("$.x"), "then": step("echo"), "else": step("echo")}
    info, _ = execute(url, blueprint(flow), {"x": 1})
    assert info.error["code"] == "E-COND-NOT-BOOL"


@pytest.mark.parametrize("join", ["any", "race"])
def test_losing_lanes_are_cancelled_and_awaited(url, join):
    async def main():
        async with Engine.open(url) as engine:
            ended = []
            waiting = asyncio.Semaphore(0)

            @engine.agent("slow")
            async def slow(inv):
                try:
                    waiting.release()
                    await asyncio.Event().wait()
                finally:
                    ended.append(inv.step_key)

            @engine.agent("fast")
            async def fast(inv):
                await waiting.acquire()
                await waiting.acquire()
                return "won"

            @engine.agent("after")
            async def after(inv):
                return list(ended)

            flow = [
                {
                    "kind": "parallel",
                    "branches": {"a": step("slow"), "b": step("fast"), "c": step("slow")},
                    "join": join,
                    "select": path("$.out"),
                    "out": path("$.won"),
                },
                step("after", "$.won", "$.ended"),
            ]
            handle = await engine.start(blueprint(flow), {})
            return await handle.result()

    result = run(main())
    assert result["won"] == {"b": "won"}
    assert sorted(result["ended"]) == ["0/a", "0/c"]


def test_a_retry_runs_again_and_then_passes(url):
    async def main():
        async with Engine.open(url) as engine:
            seen = []

            @engine.agent("flaky")
            async def flaky(inv):
                seen.append(
                    (inv.attempt, inv.previous.message if inv.previous else None, inv.last_checkpoint)
                )
                inv.checkpoint({"at": inv.attempt})
                if inv.attempt < 3:
                    raise RuntimeError(f"try {inv.attempt}")
                return inv.idempotency_key

            retry = {"max_attempts": 3, "backoff": {"initial": 0.001}}
            handle = await engine.start(blueprint(step("flaky", retry=retry)), {})
            return await handle.result(), seen, handle.id

    result, seen, run_id = run(main())
    assert [attempt for attempt, _, _ in seen] == [1, 2, 3]
    assert "try 1" in seen[1][1]
    assert seen[2][2] == {"at": 2}
    assert result["out"] == f"{run_id}/0"


def test_a_step_timeout_ends_its_worker_and_can_be_caught(url):
    flow = {
        "kind": "try",
        "body": step("hang", timeout=0.05),
        "catch": step("echo", lit("late"), "$.r"),
        "err_at": path("$.e"),
    }
    info, _ = execute(url, blueprint(flow))
    assert info.result["r"] == "late"
    assert "timeout" in info.result["e"]


def test_a_run_timeout_cannot_be_caught(url):
    flow = {"kind": "try", "body": step("hang"), "catch": step("echo")}
    info, _ = execute(url, blueprint(flow), timeout=0.05)
    assert info.status == "timeout"
    assert info.error["code"] == "E-RUN-TIMEOUT"


def test_cancel_ends_workers_and_the_run(url):
    async def main():
        async with Engine.open(url) as engine:
            agents = Agents(engine)
            flow = {"kind": "try", "body": step("hang"), "catch": step("echo")}
            handle = await engine.start(blueprint([flow, step("echo")]), {})
            await agents.started.wait()
            info = await handle.cancel()
            again = await handle.cancel()
            return info, again, engine.stats(), agents.calls

    info, again, stats, calls = run(main())
    assert info.status == again.status == "cancelled"
    assert stats["open_tasks"] == 0
    assert len(calls) == 1


def test_finished_runs_are_read_from_the_store(url):
    async def main():
        async with Engine.open(url) as engine:
            Agents(engine)
            first = await engine.start(blueprint(chain(3)), {"n": 0})
            await first.wait()
            second = await engine.start(blueprint(step("boom")), {})
            await second.wait()
            listed = [info.run_id for info in await engine.list_runs()]
            info = await engine.get_run(first.id)
            failed = await engine.get_run(second.id)
            kinds = [event["kind"] async for event in first.events()]
            with pytest.raises(RunNotFound):
                await engine.get_run("run-nope")
            with pytest.raises(RunFailed) as failure:
                await second.result()
            return listed, first.id, second.id, info, failed, kinds, failure.value

    listed, first, second, info, failed, kinds, failure = run(main())
    assert listed == [second, first]
    assert info.result == {"n": 3, "i": 3}
    assert failed.status == "failed"
    assert "ValueError" in failed.error["message"]
    assert failure.status == "failed"
    per_step = [
        "task_created",
        "task_attempt_started",
        "worker_output",
        "task_attempt_completed",
        "task_pass",
    ]
    assert kinds == ["run_started", *per_step * 3, "run_finished"]


def test_events_carry_their_values_and_no_secret(url):
    async def main():
        async with Engine.open(url) as engine:
            Agents(engine)
            handle = await engine.start(blueprint(step("echo")), {"x": 1})
            await handle.wait()
            return [event async for event in handle.events()]

    events = {event["kind"]: event for event in run(main())}
    assert events["run_started"]["input"] == {"x": 1}
    assert events["worker_output"]["event"] == {"type": "final", "ok": True, "content": {"x": 1}}
    assert events["task_attempt_completed"]["result"] == events["task_pass"]["result"] == {"x": 1}
    assert not any("nonce" in event or "handle" in event for event in events.values())


def test_progress_reaches_who_watches(url):
    async def main():
        async with Engine.open(url) as engine:
            watching = asyncio.Event()

            @engine.agent("talk")
            async def talk(inv):
                await watching.wait()
                inv.progress("half", "way")
                inv.partial("chunk")
                return 1

            handle = await engine.start(blueprint(step("talk")), {})
            seen = []
            async for event in handle.events(streams=True):
                watching.set()
                seen.append(event)
            return seen

    seen = [event for event in run(main()) if event["kind"] in ("progress", "partial")]
    assert [(event["kind"], event.get("stage"), event.get("chunk")) for event in seen] == [
        ("progress", "half", None),
        ("partial", None, "chunk"),
    ]


def test_an_unknown_agent_is_refused_before_anything_is_recorded(url):
    async def main():
        async with Engine.open(url) as engine:
            Agents(engine)
            with pytest.raises(BlueprintError, match="did you mean 'echo'"):
                await engine.start(blueprint(step("ecko")), {})
            return await engine.list_runs()

    assert run(main()) == []


def test_settled_tasks_and_finished_runs_leave_memory(url):
    async def main():
        async with Engine.open(url) as engine:
            Agents(engine)
            for _ in range(3):
                handle = await engine.start(blueprint(chain(50)), {"n": 0})
                await handle.wait()
            state = engine.ledger.state
            return (
                len(state.tasks),
                len(state.tokens),
                len(state.handles),
                len(state.runs),
                len(engine.drivers),
            )

    assert run(main()) == (0, 0, 0, 0, 0)


def test_results_larger_than_the_inline_bound_are_stored_apart_and_come_back(url):
    big = "x" * 300_000
    info, _ = execute(
        url, blueprint([step("echo", "$.big", "$.copy"), step("echo", "$.copy", "$.again")]), {"big": big}
    )
    assert info.result["again"] == big


def test_strict_refs_off_fails_at_the_step(url):
    info, _ = execute(url, blueprint(step("nobody"), strategy={"strict_refs": False}))
    assert info.status == "failed"
    assert "worker not registered: nobody" in info.error["message"]


def test_an_agents_system_prompt_is_rendered_with_the_input(url):
    async def main():
        async with Engine.open(url) as engine:

            @engine.agent("speak")
            async def speak(inv):
                return inv.system

            agent = {"name": "say", "kind": "python", "spec": {"fn_id": "speak"}}
            profile = {"system_prompt": "Be {{ mood }}."}
            document = blueprint(step("say"), agents=[{**agent, "profile": profile}])
            good = await (await engine.start(document, {"mood": "brief"})).result()
            bad = await (await engine.start(document, {})).wait()
            return good["out"], bad.error

    said, error = run(main())
    assert said == "Be brief."
    assert "mood" in error["message"]


def test_an_unknown_kind_is_dropped_where_kinds_are_not_strict(url):
    odd = {"name": "odd", "kind": "martian"}
    with pytest.raises(BlueprintError, match="E-KIND"):
        execute(url, blueprint(step("echo"), agents=[odd]))
    info, _ = execute(url, blueprint(step("echo"), agents=[odd], strategy={"strict_kind": False}))
    assert info.status == "done"
    with pytest.raises(BlueprintError, match="E-REF"):
        execute(url, blueprint(step("odd"), agents=[odd], strategy={"strict_kind": False}))


def test_a_kind_of_a_later_version_lints_and_does_not_start(url):
    later = {"name": "later", "kind": "agent", "spec": {}}
    with pytest.raises(KindNotYet):
        execute(url, blueprint(step("echo"), agents=[later]))
