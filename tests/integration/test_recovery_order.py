"""What was left for a run while nobody owned it is acted on first; nobody acts on half a recovered run."""

from __future__ import annotations

import asyncio

from engines import blueprint, lit, path, step
from skep import Engine
from skep.testing.aio import run
from skep.testing.clock import FakeClock


def ask(text, **fields):
    return {"kind": "ask", "question": lit(text), "audience": "senior", "out": path("$.a"), **fields}


def test_an_answer_that_was_left_before_the_deadline_counts_after_it(tmp_path):
    url, clock = f"sqlite:///{tmp_path}/s.db", FakeClock()

    async def main():
        async with Engine.open(url, clock=clock, recover="none") as engine:
            handle = await engine.start(blueprint([ask("ok?", deadline=2)]))
            await handle.until_suspended()
        async with Engine.open(url, clock=clock, recover="none") as engine:
            [question] = await engine.list_questions()
            assert not (await engine.resume(None, question.key, "yes")).acted
        clock.advance(60_000)
        async with Engine.open(url, clock=clock, recover="none") as engine:
            return await (await engine.resume_run(handle.id)).result()

    assert run(main()) == {"a": "yes"}


def test_a_cancel_that_was_left_comes_before_the_next_attempt(tmp_path):
    url, ran = f"sqlite:///{tmp_path}/s.db", []

    async def main():
        async with Engine.open(url, recover="none") as engine:
            started = asyncio.Event()

            @engine.agent("act")
            async def hang(inv):
                started.set()
                await asyncio.Event().wait()

            handle = await engine.start(blueprint([step("act")]))
            await started.wait()
        async with Engine.open(url, recover="none") as engine:
            assert not (await engine.cancel_run(None, handle.id)).acted
        async with Engine.open(url, recover="none") as engine:

            @engine.agent("act")
            async def act(inv):
                ran.append(inv.attempt)

            return await (await engine.resume_run(handle.id)).wait()

    assert run(main()).status == "cancelled"
    assert ran == []


def test_an_answer_in_the_midst_of_a_recovery_reaches_the_run(tmp_path):
    url, big = f"sqlite:///{tmp_path}/s.db", "x" * 200_000

    async def begin():
        async with Engine.open(url, recover="none") as engine:
            alice = (await engine.mint_token("alice", "operator")).text
            flow = [{"kind": "let", "at": path("$.big"), "value": lit(0)}, ask("ok?")]
            handle = await engine.start(blueprint(flow), {"text": big}, token=alice)
            await handle.until_suspended()
            return handle.id, (await engine.list_questions())[0].key

    async def go_on(run_id, key):
        async with Engine.open(url, recover="none") as engine:
            entered, release = asyncio.Event(), asyncio.Event()
            any_revoked = engine.launchers.any_revoked

            async def slowly(*given):
                entered.set()
                await release.wait()
                return await any_revoked(*given)

            engine.launchers.any_revoked = slowly
            resuming = asyncio.create_task(engine.resume_run(run_id))
            await entered.wait()
            answering = asyncio.create_task(engine.resume(None, key, "in between"))
            for _ in range(20):
                await asyncio.sleep(0)
            assert run_id not in engine.ledger.state.runs, "nobody sees half a run"
            release.set()
            handle = await resuming
            delivered = await answering
            result = await handle.result()
            assert delivered.log == f"run:{run_id}"
            return result["a"]

    run_id, key = run(begin())
    assert run(go_on(run_id, key)) == "in between"
