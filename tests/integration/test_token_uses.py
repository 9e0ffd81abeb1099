"""A call that is refused spends no use of its token, whatever refuses it; no two calls have the same use."""

from __future__ import annotations

import asyncio

import pytest

from engines import blueprint, lit, path, step
from skep import Engine
from skep.errors import AnswerRefused, BadValue, RunNotFound, TokenUsesExhausted, WorkHeld
from skep.testing.aio import run

ASK = {"kind": "ask", "question": lit("?"), "audience": ["senior"], "out": path("$.out")}
NUMBER = {**ASK, "schema": {"type": "integer"}}
WAIT = {"kind": "wait", "signal": "go", "out": path("$.out")}
JUDGE = {"name": "judge", "kind": "operator", "spec": {"operator_ref": "red"}}


@pytest.fixture(params=["here", "elsewhere"])
def engines(request, tmp_path):
    """Runs a test with the engine that owns the runs, and the one that is called."""

    def running(test):
        place = {"url": f"sqlite:///{tmp_path}/s.db", "home": tmp_path / "home"}

        async def main():
            async with Engine.open(**place) as owner, Engine.open(**place, recover="none") as other:
                await test(owner, owner if request.param == "here" else other)

        run(main())

    return running


async def once(engine, role="operator"):
    return (await engine.mint_token("anna", role, max_uses=1)).text


async def asked(owner, flow):
    handle = await owner.start(blueprint(flow))
    await handle.until_suspended()
    return handle, [question.key for question in await owner.list_questions(run_id=handle.id)]


def test_an_answer_that_does_not_fit_spends_nothing(engines):
    async def test(owner, called):
        handle, [key] = await asked(owner, NUMBER)
        token = await once(called, "senior")
        with pytest.raises(AnswerRefused):
            await called.resume(token, key, "one")
        await called.resume(token, key, 1)
        assert await handle.result() == {"out": 1}
        _, [key] = await asked(owner, NUMBER)
        with pytest.raises(TokenUsesExhausted):
            await called.resume(token, key, 1)
        assert called.journal.durable >= called.ledger.last_seq

    engines(test)


def test_of_two_calls_at_once_one_has_the_use(engines):
    async def test(owner, called):
        keys = [key for _ in range(2) for key in (await asked(owner, ASK))[1]]
        token = await once(called, "senior")
        results = await asyncio.gather(
            *(called.resume(token, key, 1) for key in keys), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["Delivered", "TokenUsesExhausted"]
        assert len(await called.list_questions()) == 1

    engines(test)


def test_a_signal_that_cannot_be_sent_spends_nothing(engines):
    async def test(owner, called):
        handle, _ = await asked(owner, WAIT)
        token = await once(called)
        with pytest.raises(BadValue):
            await called.signal(token, handle.id, "a b")
        with pytest.raises(RunNotFound):
            await called.signal(token, "run-0", "go")
        await called.signal(token, handle.id, "go", 1)
        assert await handle.result() == {"out": 1}
        with pytest.raises(TokenUsesExhausted):
            await called.signal(token, handle.id, "go")

    engines(test)


def test_a_claim_of_what_somebody_holds_spends_nothing(engines):
    async def test(owner, called):
        flow = blueprint(step("judge", "$.text"), operators=[{"name": "red"}], agents=[JUDGE])
        handle = await owner.start(flow, {"text": "?"})
        await handle.until_suspended()
        [item] = await called.list_work()
        held = await called.claim(None, item.key)
        token = await once(called)
        with pytest.raises(WorkHeld):
            await called.claim(token, item.key)
        await called.release(None, item.key, held.generation)
        claimed = await called.claim(token, item.key)
        with pytest.raises(TokenUsesExhausted):
            await called.takeover(token, item.key)
        with pytest.raises(BadValue):
            await called.complete(claimed.handle, item.key, {1: 2})
        await called.complete(claimed.handle, item.key, 1)
        assert (await handle.result())["out"] == 1

    engines(test)
