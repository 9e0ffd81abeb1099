"""`sink` and `input_inject`, each alone; both together are in the integration tests."""

from __future__ import annotations

import asyncio

import pytest
from tests.unit.layers.bench import Bench, layer_env

from skep.core.outputs import Artifact, FileRef, Final, final, inline
from skep.errors import LimitExceeded, SpawnError, WorkerCancelled, WorkerFailed
from skep.layers import input_inject, sink
from skep.testing.aio import in_loop
from skep.testing.workers import FakeAttempt, make_ctx
from skep.values import canonical


async def sunk(output, outcome=None, **options):
    bench, attempt = Bench(), FakeAttempt()
    worker = await sink.build(options, layer_env())(bench).spawn(make_ctx(1, channel=attempt))
    attempt.emit(output)
    bench.end(1, outcome)
    try:
        await worker.join()
    except WorkerFailed:
        assert outcome is not None
    return attempt


@in_loop
async def test_a_result_over_the_bound_is_kept_and_referred_to():
    value = "x" * 9  # 11 bytes of JSON
    attempt = await sunk(final(value), over=10, name="report")
    reference = next(iter(attempt.kept))
    assert attempt.appended == [
        (Artifact("report", inline(value)), "layer:sink"),
        (final({"out_ref": reference, "size": 11}), "layer:sink"),
    ]
    assert attempt.outputs == [final(value)]


@pytest.mark.parametrize(
    ("output", "outcome"),
    [
        (final("x" * 8), None),
        (final("x" * 100, ok=False), None),
        (final("x" * 100), WorkerFailed("broke")),
        (Final(FileRef("a.txt")), None),
        (final({"out_ref": "out-" + "0" * 64, "size": 3}), None),
    ],
)
def test_what_is_left_as_it_is(output, outcome):
    @in_loop
    async def check():
        assert (await sunk(output, outcome, over=10)).appended == []

    check()


def refer(attempt, value):
    return {"out_ref": attempt.set_aside("v", value, by="test"), "size": 1}


async def injected(attempt, given, options=None, **fields):
    bench = Bench()
    bench.spawn = lambda ctx: _keep(bench, ctx)
    await input_inject.build(options or {}, layer_env())(bench).spawn(
        make_ctx(given, channel=attempt, **fields)
    )
    return bench.seen


async def _keep(bench, ctx):
    bench.seen = ctx


@in_loop
async def test_references_anywhere_become_their_values():
    attempt = FakeAttempt()
    one, two = refer(attempt, {"a": 1}), refer(attempt, "text")
    given = {"x": [one, {"y": two}], "z": one, "n": 3}
    ctx = await injected(attempt, given)
    assert ctx.input == {"x": [{"a": 1}, {"y": "text"}], "z": {"a": 1}, "n": 3}
    assert ctx.prompt == canonical(ctx.input).decode()
    assert ctx.meta == {"input_refs": [one["out_ref"], two["out_ref"]]}
    assert (await injected(attempt, two)).prompt == "text"


@in_loop
async def test_an_input_without_references_and_a_prompt_of_somebody_else_stay():
    attempt = FakeAttempt()
    ctx = await injected(attempt, {"out_ref": 5, "size": 1})
    assert (ctx.input, ctx.meta) == ({"out_ref": 5, "size": 1}, {})
    assert (await injected(attempt, refer(attempt, 1), prompt="baked")).prompt == "baked"


@in_loop
async def test_what_is_not_there_refuses_the_start():
    gone = {"out_ref": "out-" + "0" * 64, "size": 1}
    with pytest.raises(SpawnError, match="layer input_inject: this run has no output out-000"):
        await injected(FakeAttempt(), gone)


@in_loop
async def test_values_are_bounded_together():
    attempt = FakeAttempt()
    given = [refer(attempt, "a" * 8), refer(attempt, "b" * 8)]
    assert (await injected(attempt, given, {"max_bytes": 20})).input == ["a" * 8, "b" * 8]
    with pytest.raises(LimitExceeded, match="max_bytes of 19"):
        await injected(attempt, given, {"max_bytes": 19})


@in_loop
async def test_cancel_ends_the_fetching():
    class Slow(FakeAttempt):
        async def recall(self, reference):
            await asyncio.Event().wait()

    attempt = Slow()
    ctx = make_ctx(refer(attempt, 1), channel=attempt)
    asyncio.get_running_loop().call_soon(ctx.cancel_token.cancel)
    with pytest.raises(WorkerCancelled):
        await input_inject.build({}, layer_env())(Bench()).spawn(ctx)
