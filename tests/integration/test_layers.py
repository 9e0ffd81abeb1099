"""The published layers around real attempts: rows 14-20 and 23 of the reference's table 13.3, and recovery."""

from __future__ import annotations

import asyncio

import pytest
from tests.engines import Agents, blueprint, step

from skep import Engine
from skep.core.outputs import final
from skep.errors import AttemptEnded, BlueprintError
from skep.layers.audit import Audit
from skep.layers.base import Around
from skep.layers.registry import LayerRegistry, always
from skep.layers.standard import standard_layers
from skep.testing.aio import run
from skep.workers.base import WorkerResult, wrap_join


class Hook:
    """Notes what it is told; `refuse` and `fail` make it raise before and after."""

    def __init__(self, refuse=None, fail=None):
        self.notes = []
        self.refuse = refuse
        self.fail = fail

    async def before(self, ctx):
        self.notes.append(("before", ctx.agent))
        if self.refuse:
            raise PermissionError(self.refuse)

    async def after(self, ctx, value):
        self.notes.append(("after", value))
        if self.fail:
            raise ValueError(self.fail)


class Bridge:
    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def ask(self, task_id, question):
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Hands:
    """An operator that notes its calls."""

    def __init__(self, result="by hand"):
        self.calls = []
        self.result = result

    async def execute(self, ctx, system, prompt, token):
        self.calls.append((ctx.agent, system, prompt))
        return self.result


def layered(agent, *layers, given=None, fields=None, hook=None, bridge=None, hands=None, **options):
    """The run of one step behind `layers`, as `(report, outputs)`."""

    async def main():
        async with Engine.open("memory:") as engine:
            Agents(engine)
            ids = {}
            if hook is not None:
                engine.register_spawn_hook("h", hook)
                ids["hook_id"] = "h"
            if bridge is not None:
                engine.register_senior_bridge("b", bridge)
                ids["bridge_id"] = "b"
            if hands is not None:
                engine.register_operator("o", hands)
                ids["operator_backend_id"] = "o"
            flow = blueprint(step(agent, "$.x"), spawner_hints={"layers": list(layers)}, **(fields or {}))
            handle = await engine.start(flow, {"x": given}, **ids, **options)
            report = await handle.wait()
            outputs = [e async for e in handle.events() if e["kind"] == "worker_output"]
            return report, outputs

    return run(main())


def out(report):
    assert report.status == "done", report.error
    return report.result["out"]


BOTH = {"original": {"verdict": "no"}, "senior_answer": "yes"}


def test_14_a_senior_turns_a_failure_into_a_pass():
    bridge = Bridge("yes")
    report, outputs = layered("no", "senior_escalation", bridge=bridge)
    assert out(report) == BOTH
    assert bridge.asked == [{"reason": "worker reported ok=false", "value": {"verdict": "no"}}]
    assert [output.get("by") for output in outputs] == [None, "layer:senior_escalation"]


def test_15_without_an_answer_the_failure_stays_and_says_so():
    report, outputs = layered("no", "senior_escalation", bridge=Bridge(OSError("gone")))
    assert report.status == "failed"
    assert "blocked" in report.error["message"]
    assert outputs[-1]["event"]["name"] == "senior_error"
    assert "OSError: gone" in outputs[-1]["event"]["content"]


def test_16_a_hook_that_refuses_rejects_the_spawn():
    report, outputs = layered("echo", "main_ai", hook=Hook(refuse="not now"), operator_kind="main_ai")
    assert report.status == "failed"
    assert "spawn rejected by middleware: main_ai before: PermissionError: not now" in report.error["message"]
    assert outputs == []


@pytest.mark.parametrize("kind", ["automate", "main_ai", "composite"])
def test_17_the_hook_is_called_for_main_ai_and_composite_only(kind):
    hook = Hook()
    report, _ = layered("echo", "main_ai", given=5, hook=hook, operator_kind=kind)
    assert out(report) == 5
    assert hook.notes == ([] if kind == "automate" else [("before", "echo"), ("after", 5)])


def test_18_the_operator_works_whatever_its_kind():
    hands = Hands()
    report, _ = layered("boom", "operator_delegate", given="please", hands=hands, operator_kind="automate")
    assert out(report) == "by hand"
    assert hands.calls == [("boom", None, "please")]


def test_19_a_hook_inside_the_delegate_is_not_called():
    hook = Hook()
    options = {"hook": hook, "hands": Hands(), "operator_kind": "main_ai"}
    assert out(layered("echo", "main_ai", "operator_delegate", **options)[0]) == "by hand"
    assert hook.notes == []


def test_20_a_hook_outside_the_delegate_is_called_around_the_operator():
    hook = Hook()
    options = {"hook": hook, "hands": Hands(), "operator_kind": "main_ai"}
    assert out(layered("echo", "operator_delegate", "main_ai", **options)[0]) == "by hand"
    assert hook.notes == [("before", "echo"), ("after", "by hand")]


def test_23_an_unknown_hint_is_an_error():
    with pytest.raises(BlueprintError, match=r"E-HINT unknown layer 'mainai'.*did you mean 'main_ai'"):
        layered("echo", "mainai")


def test_the_delegate_keeps_the_agents_system_prompt():
    hands = Hands(WorkerResult({"n": 1}, ok=True))
    agent = {
        "name": "poet",
        "kind": "python",
        "spec": {"fn_id": "identity"},
        "profile": {"system_prompt": "You write about {{ topic }}."},
    }
    report, _ = layered(
        "poet", "operator_delegate", given={"topic": "bees"}, fields={"agents": [agent]}, hands=hands
    )
    assert out(report) == {"n": 1}
    assert hands.calls == [("poet", "You write about bees.", '{"topic":"bees"}')]


def test_an_operators_failure_is_told():
    class Broken:
        async def execute(self, ctx, system, prompt, token):
            raise ConnectionError("no line")

    report, _ = layered("echo", "operator_delegate", hands=Broken())
    assert "operator: ConnectionError: no line" in report.error["message"]


def test_an_operator_may_hand_its_result_in_itself():
    class Posting(Hands):
        async def execute(self, ctx, system, prompt, token):
            await self.engine.submit_output(token, ctx.task_id, ctx.attempt, self.event)
            return "not this"

    hands = Posting()

    async def main():
        async with Engine.open("memory:") as engine:
            hands.engine, hands.event = engine, final("posted")
            Agents(engine)
            engine.register_operator("o", hands)
            flow = blueprint(step("echo"), spawner_hints={"layers": ["operator_delegate"]})
            return await (await engine.start(flow, {}, operator_backend_id="o")).result()

    assert run(main())["out"] == "posted"


def test_a_failing_after_hook_fails_a_good_attempt():
    report, _ = layered("echo", "main_ai", hook=Hook(fail="bad"), operator_kind="main_ai")
    assert "main_ai after: ValueError: bad" in report.error["message"]


def test_a_failing_after_hook_does_not_hide_why_the_worker_failed(caplog):
    hook = Hook(fail="bad")
    report, _ = layered("boom", "main_ai", hook=hook, operator_kind="main_ai")
    assert "worker fn returned error: ValueError: bad" in report.error["message"]
    assert hook.notes[1] == ("after", "worker fn returned error: ValueError: bad")
    assert "main_ai after: ValueError: bad" in caplog.text


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (True, {**BOTH, "senior_answer": True}),
        ({"pass": True, "value": 7}, 7),
        ({"pass": True}, {**BOTH, "senior_answer": {"pass": True}}),
        ({"pass": "yes"}, {**BOTH, "senior_answer": {"pass": "yes"}}),
        ({"other": 1}, {**BOTH, "senior_answer": {"other": 1}}),
    ],
)
def test_an_answer_that_lets_it_pass(answer, result):
    assert out(layered("no", "senior_escalation", bridge=Bridge(answer))[0]) == result


@pytest.mark.parametrize("answer", [False, {"pass": False}, {"pass": False, "value": "worse"}])
def test_an_answer_that_does_not(answer):
    report, outputs = layered("no", "senior_escalation", bridge=Bridge(answer))
    assert report.status == "failed"
    assert outputs[-1]["event"]["ok"] is False
    assert outputs[-1]["by"] == "layer:senior_escalation"


def test_a_good_result_needs_no_senior():
    bridge = Bridge("yes")
    assert out(layered("echo", "senior_escalation", given=1, bridge=bridge)[0]) == 1
    assert bridge.asked == []


def test_large_results_go_by_reference_from_end_to_end():
    layers = [{"sink": {"over": 100}}, "input_inject"]
    prompts = []

    async def main():
        async with Engine.open("memory:") as engine:

            @engine.agent("write")
            async def write(inv):
                return {"text": "x" * inv.input}

            @engine.agent("read")
            async def read(inv):
                prompts.append(inv.prompt)
                return len(inv.input["report"]["text"])

            flow = [
                step("write", "$.n", "$.report"),
                step("read", {"op": "path", "at": "$"}, "$.length"),
            ]
            bp = blueprint(flow, spawner_hints={"layers": layers})
            handle = await engine.start(bp, {"n": 5_000})
            result = await handle.result()
            outputs = [e async for e in handle.events() if e["kind"] == "worker_output"]
            return result, outputs

    result, outputs = run(main())
    assert result["length"] == 5_000
    assert result["report"]["size"] == 5_011
    assert result["report"]["out_ref"].startswith("out-")
    assert "x" * 5_000 in prompts[0]
    first = outputs[:3]
    assert [output.get("by") for output in first] == [None, "layer:sink", "layer:sink"]
    assert first[0]["event"]["content"] == first[1]["event"]["content"]


def test_a_reference_to_another_run_is_not_found():
    async def main():
        async with Engine.open("memory:") as engine:
            Agents(engine)
            keep = blueprint(step("echo", "$.x"), spawner_hints={"layers": [{"sink": {"over": 10}}]})
            kept = await (await engine.start(keep, {"x": "secret " * 10})).result()
            use = blueprint(step("echo", "$.x"), spawner_hints={"layers": ["input_inject"]})
            return await (await engine.start(use, {"x": kept["out"]})).wait()

    report = run(main())
    assert "layer input_inject: this run has no output out-" in report.error["message"]


# -- recovery ----------------------------------------------------------------------------------

LAYERS = ["audit", "main_ai", "senior_escalation", "operator_delegate", {"long_hold": {"default_hold": 60}}]


@pytest.mark.parametrize(
    "layer",
    [*LAYERS, {"sink": {"over": 3}}, "input_inject"],
    ids=lambda layer: layer if isinstance(layer, str) else next(iter(layer)),
)
def test_after_a_crash_behind_a_durable_final_only_the_layers_run_again(tmp_path, layer):
    """The worker says its result and hangs; the host goes; the layers see the result, the worker is not called."""
    url = f"sqlite:///{tmp_path}/s.db"
    calls = []
    flow = blueprint(step("once", "$.x"), spawner_hints={"layers": [layer]})

    def host(engine, hook, bridge):
        said = asyncio.Event()

        @engine.agent("once")
        async def once(inv):
            calls.append(inv.input)
            inv.emit(final({"verdict": "no"}, ok=False) if layer == "senior_escalation" else final("result"))
            await engine.ledger.flushed()
            said.set()
            await asyncio.Event().wait()

        engine.register_spawn_hook("h", hook)
        engine.register_senior_bridge("b", bridge)
        return said

    async def main():
        ids = {"hook_id": "h", "bridge_id": "b", "operator_kind": "main_ai"}
        async with Engine.open(url) as engine:
            said = host(engine, Hook(), Bridge("yes"))
            handle = await engine.start(flow, {"x": 1}, **ids)
            await said.wait()
        hook, bridge = Hook(), Bridge("yes")
        async with Engine.open(url, recover="none") as engine:
            host(engine, hook, bridge)
            handle = await engine.resume_run(handle.id)
            return (await handle.result())["out"], hook.notes, bridge.asked

    value, told, asked = run(main())
    assert calls == [1]
    if layer == "senior_escalation":
        assert value == BOTH
        assert len(asked) == 1
    elif isinstance(layer, dict) and "sink" in layer:
        assert value["size"] == 8
    else:
        assert value == "result"
    assert told == ([("before", "once"), ("after", "result")] if layer == "main_ai" else [])


def test_an_operator_whose_result_is_durable_is_not_called_again(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"
    flow = blueprint(step("echo", "$.x"), spawner_hints={"layers": ["operator_delegate"]})

    class Hanging(Hands):
        async def execute(self, ctx, system, prompt, token):
            ctx.channel.emit(final("by hand"))
            await self.engine.ledger.flushed()
            self.said.set()
            await asyncio.Event().wait()

    async def main():
        first, second = Hanging(), Hands("again")
        async with Engine.open(url) as engine:
            Agents(engine)
            first.engine, first.said = engine, asyncio.Event()
            engine.register_operator("o", first)
            handle = await engine.start(flow, {"x": 1}, operator_backend_id="o")
            await first.said.wait()
        async with Engine.open(url, recover="none") as engine:
            agents = Agents(engine)
            engine.register_operator("o", second)
            handle = await engine.resume_run(handle.id)
            return (await handle.result())["out"], second.calls, agents.calls

    assert run(main()) == ("by hand", [], {})


# -- composition -------------------------------------------------------------------------------


def test_a_run_is_cancelled_while_a_senior_thinks():
    class Thinking(Bridge):
        async def ask(self, task_id, question):
            self.asked.append(question)
            await asyncio.Event().wait()

    async def main():
        async with Engine.open("memory:") as engine:
            Agents(engine)
            bridge = Thinking(None)
            engine.register_senior_bridge("b", bridge)
            layers = {"layers": ["senior_escalation", "main_ai", "audit"]}
            handle = await engine.start(blueprint(step("no"), spawner_hints=layers), {}, bridge_id="b")
            while not bridge.asked:
                await asyncio.sleep(0)
            await handle.cancel()
            report = await handle.wait()
            return report.status, engine.ledger.counters["abandoned_workers"]

    assert run(main(), timeout=4) == ("cancelled", 0)


def test_a_layer_that_raises_after_the_worker_is_named():
    class Clumsy:
        name = "clumsy"

        def __call__(self, inner):
            class Spawner(Around):
                async def spawn(self, ctx):
                    async def after(outcome):
                        raise RuntimeError("oops")

                    return wrap_join(await self.inner.spawn(ctx), after, name="clumsy")

            return Spawner(inner)

    async def main():
        layers = standard_layers().with_hint("clumsy", always(Clumsy))
        async with Engine.open("memory:", layers=layers) as engine:
            Agents(engine)
            flow = blueprint(step("echo"), spawner_hints={"layers": ["clumsy", "audit"]})
            return await (await engine.start(flow, {})).wait()

    assert "layer clumsy: RuntimeError: oops" in run(main()).error["message"]


def test_the_engine_closes_what_its_layers_share():
    closed = []

    async def close():
        closed.append(True)

    async def main():
        layers = LayerRegistry().with_base("b", always(Audit), close=close)
        async with Engine.open("memory:", layers=layers):
            assert closed == []

    run(main())
    assert closed == [True]


def test_workers_see_the_projects_alias():
    async def main():
        async with Engine.open("memory:") as engine:

            @engine.agent("who")
            async def who(inv):
                return inv.meta["project_name_alias"]

            flow = blueprint(step("who"), metadata={"project_name_alias": "hive"})
            return (await (await engine.start(flow, {})).result())["out"]

    assert run(main()) == "hive"


def test_what_a_worker_says_while_its_result_is_looked_at_comes_too_late():
    held = []

    class Late(Bridge):
        async def ask(self, task_id, question):
            with pytest.raises(AttemptEnded):
                held[0].emit(final("late"))
            return "yes"

    async def main():
        async with Engine.open("memory:") as engine:

            @engine.agent("draft")
            async def draft(inv):
                held.append(inv)
                return WorkerResult({"verdict": "no"}, ok=False)

            engine.register_senior_bridge("b", Late(None))
            flow = blueprint(step("draft"), spawner_hints={"layers": ["senior_escalation"]})
            return (await (await engine.start(flow, {}, bridge_id="b")).result())["out"]

    assert run(main()) == BOTH
