"""What a Blueprint's own fields put around its agents: context, and audits after a step."""

from __future__ import annotations

import asyncio

import pytest
from tests.engines import Agents, blueprint, path, step

from skep import Engine
from skep.core.events import WorkerOutput
from skep.core.outputs import Artifact
from skep.errors import RunFailed
from skep.testing.aio import in_loop
from skep.testing.clock import FakeClock
from skep.values import decode


async def findings(engine, run_id):
    await engine.ledger.flushed()
    events = [recorded.event for recorded in await engine.ledger.journal.read(f"run:{run_id}")]
    return [
        (event.event.name, decode(event.event.content.value), event.by)
        for event in events
        if isinstance(event, WorkerOutput) and isinstance(event.event, Artifact)
    ]


@in_loop
async def test_an_agent_sees_what_is_declared_for_it():
    async with Engine.open() as engine:
        seen = []

        @engine.agent("look")
        async def look(inv):
            seen.append(inv.meta["context"])
            inv.meta["context"]["style"].append("mine")
            return 1

        plan = blueprint(
            [step("look"), step("look", out="$.b")],
            default_agent_ctx={"style": ["short"], "run_id": "forged", "hidden": 1},
            default_context_policy={"exclude": ["hidden", "work_dir"]},
            metadata={"project_name_alias": "hive"},
        )
        handle = await engine.start(plan, {})
        await handle.result()
        assert seen[0]["style"] == ["short", "mine"]
        assert seen[1] == {"style": ["short", "mine"], "run_id": handle.id, "project_name_alias": "hive"}


def audited(*flow, **audit):
    return blueprint(list(flow), audits=[{"agent": "auditor", "mode": "sync", **audit}])


@in_loop
async def test_an_auditor_sees_the_step_and_its_finding_is_kept_beside_the_result():
    async with Engine.open() as engine:
        Agents(engine)
        given = []

        @engine.agent("auditor")
        async def auditor(inv):
            given.append(inv.input)
            return {"grade": 3}

        handle = await engine.start(audited(step("inc", "$.n", "$.n"), step("echo", "$.n")), {"n": 1})
        assert await handle.result() == {"n": 2, "out": 2}
        assert [(report["step"], report["input"], report["value"], report["ok"]) for report in given] == [
            ("inc", 1, 2, True),
            ("echo", 2, 2, True),
        ]
        finding = {"auditor": "auditor", "ok": True, "finding": {"grade": 3}}
        by = "layer:after_run_audit"
        assert await findings(engine, handle.id) == [("audit:inc", finding, by), ("audit:echo", finding, by)]


@pytest.mark.parametrize(("steps", "looked"), [(["inc"], 1), (["*"], 2), ([], 0), (["1"], 1), (["other"], 0)])
def test_steps_says_at_which(steps, looked):
    @in_loop
    async def main():
        async with Engine.open() as engine:
            agents = Agents(engine)
            count = 0

            @engine.agent("auditor")
            async def auditor(inv):
                nonlocal count
                count += 1

            flow = (step("inc", "$.n", "$.n"), step("echo", "$.n"))
            handle = await engine.start(audited(*flow, steps=steps), {"n": 1})
            await handle.result()
            assert count == looked
            assert sum(agents.calls.values()) == 2

    main()


@in_loop
async def test_an_auditor_cannot_change_how_a_step_ends(caplog):
    async with Engine.open() as engine:
        Agents(engine)

        @engine.agent("auditor")
        async def auditor(inv):
            raise ValueError("no idea")

        handle = await engine.start(audited(step("inc", "$.n", "$.n")), {"n": 1})
        assert await handle.result() == {"n": 2}
        [(_, told, _)] = await findings(engine, handle.id)
        assert "no idea" in told["error"]
        assert "audit of" in caplog.text
        for agent, message in (("no", "blocked"), ("boom", "ValueError: bad")):
            handle = await engine.start(audited(step(agent)), {"n": 1})
            with pytest.raises(RunFailed, match=message):
                await handle.result()
            assert len(await findings(engine, handle.id)) == 1


@in_loop
async def test_the_deadline_of_a_step_does_not_come_while_it_is_audited_but_a_cancel_does():
    clock = FakeClock()
    async with Engine.open(clock=clock) as engine:
        agents = Agents(engine)

        @engine.agent("auditor")
        async def auditor(inv):
            agents.started.set()
            await agents.release.wait()
            return "fine"

        plan = audited(step("inc", "$.n", "$.n", timeout=5))
        handle = await engine.start(plan, {"n": 1})
        await agents.started.wait()
        clock.advance(10_000)
        agents.release.set()
        assert await handle.result() == {"n": 2}
        agents.started.clear()
        agents.release.clear()
        handle = await engine.start(plan, {"n": 1})
        await agents.started.wait()
        await handle.cancel()
        with pytest.raises(RunFailed, match="cancelled"):
            await asyncio.wait_for(handle.result(), 5)


@in_loop
async def test_a_step_that_loses_a_race_while_it_is_audited_holds_nobody_up():
    async with Engine.open() as engine:
        agents = Agents(engine)

        @engine.agent("auditor")
        async def auditor(inv):
            agents.release.set()
            await asyncio.Event().wait()

        race = {
            "kind": "parallel",
            "branches": {"a": step("gate"), "b": step("inc", "$.n", "$.n")},
            "join": "race",
            "out": path("$.won"),
        }
        handle = await engine.start(audited(race, step("echo", "$.n"), steps=["inc"]), {"n": 1})
        async with asyncio.timeout(4):  # less than the grace after which an attempt is given up
            assert (await handle.result())["out"] == 1
        assert await findings(engine, handle.id) == []
