"""A result that is submitted again is answered as it was at first, in whatever process (R-once)."""

from __future__ import annotations

import asyncio

import pytest

from engines import blueprint, step
from skep import Engine
from skep.engine.inbox.elsewhere import Delivered
from skep.errors import InvalidTransition, QuestionClosed, TokenNotFound
from skep.testing.aio import run


def judged():
    spec = {"name": "judge", "kind": "operator", "spec": {"operator_ref": "red"}}
    return blueprint(step("judge", "$.text"), operators=[{"name": "red"}], agents=[spec])


async def claimed(owner, claimer):
    handle = await owner.start(judged(), {"text": "?"})
    await handle.until_suspended()
    [item] = [item for item in await claimer.list_work() if item.run_id == handle.id]
    return handle, await claimer.claim(None, item.key)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("value", [{"b": 1, "a": [2]}, "x" * 100_000], ids=["small", "big"])
def test_a_repeat_is_answered_whichever_process_it_comes_through(tmp_path, first, second, value):
    url = f"sqlite:///{tmp_path}/s.db"

    async def main():
        async with Engine.open(url) as owner, Engine.open(url, recover="none") as other:
            engines = (owner, other)
            handle, claim = await claimed(owner, engines[first])
            delivered = await engines[first].complete(claim.handle, claim.key, value)
            assert await engines[second].complete(claim.handle, claim.key, value) == delivered
            assert (await handle.result())["out"] == value
            assert await engines[second].complete(claim.handle, claim.key, value) == delivered
            for changed, ok in (("other", True), (value, False)):
                with pytest.raises(TokenNotFound):
                    await engines[second].complete(claim.handle, claim.key, changed, ok=ok)

    run(main())


@pytest.mark.parametrize("turn", range(3))
def test_repeats_that_come_at_once_are_answered_alike_and_others_told_that_the_item_has_ended(tmp_path, turn):
    url = f"sqlite:///{tmp_path}/s.db"

    async def main():
        async with Engine.open(url) as owner, Engine.open(url, recover="none") as other:
            handle, claim = await claimed(owner, owner)
            engines = [other, other, other]
            engines[turn] = owner
            submits = [engine.complete(claim.handle, claim.key, "v") for engine in engines]
            changed = other.complete(claim.handle, claim.key, "w")
            *same, refused = await asyncio.gather(*submits, changed, return_exceptions=True)
            assert same == [Delivered(f"run:{handle.id}", acted=True)] * 3
            assert isinstance(refused, (QuestionClosed, TokenNotFound, InvalidTransition))

    run(main())


def test_who_had_the_item_before_did_not_submit_it(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"

    async def main():
        async with Engine.open(url) as owner:
            _, before = await claimed(owner, owner)
            taken = await owner.takeover(None, before.key)
            await owner.complete(taken.handle, taken.key, 1)
            with pytest.raises(TokenNotFound):
                await owner.complete(before.handle, before.key, 1)

    run(main())


def test_a_repeat_is_answered_after_a_restart(tmp_path):
    url = f"sqlite:///{tmp_path}/s.db"

    async def main():
        async with Engine.open(url) as owner:
            handle, claim = await claimed(owner, owner)
            await owner.complete(claim.handle, claim.key, "done")
            await handle.result()
        async with Engine.open(url) as later:
            assert (await later.complete(claim.handle, claim.key, "done")).acted

    run(main())
