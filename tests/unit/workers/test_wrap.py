from __future__ import annotations

import asyncio
import gc

import pytest

from skep.errors import AlreadyJoined, WorkerCancelled, WorkerFailed
from skep.testing.aio import in_loop, run
from skep.workers.base import CancelToken, Completion, JoinHandler, wrap_join


class Base:
    """A worker whose end the test decides."""

    def __init__(self):
        self.completion = Completion()
        self.worker = JoinHandler("W-00000000000000aa", CancelToken(), self.completion)


def noting(notes, name, result=...):
    async def post(outcome):
        notes.append((name, outcome.what if outcome else None))
        if isinstance(result, BaseException) and not isinstance(result, WorkerFailed):
            raise result
        return outcome if result is ... else result

    return post


async def turns(count=5):
    for _ in range(count):
        await asyncio.sleep(0)


@in_loop
async def test_posts_run_inner_to_outer_and_may_change_the_outcome():
    base, notes = Base(), []
    worker = wrap_join(base.worker, noting(notes, "inner", WorkerFailed("changed")), name="inner")
    worker = wrap_join(worker, noting(notes, "outer", None), name="outer")
    assert (worker.id, worker.cancel_token) == (base.worker.id, base.worker.cancel_token)
    base.completion.resolve(WorkerFailed("bad"))
    await worker.join()
    assert notes == [("inner", "bad"), ("outer", "changed")]


@in_loop
async def test_no_task_is_made_for_any_depth():
    base, notes = Base(), []
    worker = base.worker
    for number in range(10):
        worker = wrap_join(worker, noting(notes, number), name=str(number))
    before = asyncio.all_tasks()
    joining = asyncio.ensure_future(worker.join())
    await turns()
    base.completion.resolve()
    made = set()
    while not joining.done():
        made |= asyncio.all_tasks() - before
        await asyncio.sleep(0)
    assert made <= {joining}
    assert [name for name, _ in notes] == list(range(10))


@in_loop
async def test_posts_run_when_nobody_joins_and_nobody_holds_the_worker():
    base, notes = Base(), []
    wrap_join(wrap_join(base.worker, noting(notes, "inner")), noting(notes, "outer"))
    gc.collect()
    base.completion.resolve(WorkerCancelled("stop"))
    await turns()
    assert notes == [("inner", "stop"), ("outer", "stop")]


@in_loop
async def test_a_join_after_the_posts_ran_gets_their_outcome_and_runs_none_again():
    base, notes = Base(), []
    worker = wrap_join(base.worker, noting(notes, "only", WorkerFailed("from the layer")))
    base.completion.resolve()
    await turns()
    assert notes == [("only", None)]
    with pytest.raises(WorkerFailed, match="from the layer"):
        await worker.join()
    assert notes == [("only", None)]


@in_loop
async def test_a_join_in_the_turn_of_the_end_runs_the_posts_itself():
    base, notes = Base(), []
    base.completion.resolve()
    worker = wrap_join(base.worker, noting(notes, "only"))
    before = asyncio.all_tasks()
    await worker.join()
    await turns()
    assert notes == [("only", None)]
    assert asyncio.all_tasks() == before


@in_loop
async def test_a_layer_that_comes_late_still_gets_the_outcome():
    base, notes = Base(), []
    worker = wrap_join(base.worker, noting(notes, "early", WorkerFailed("changed")))
    base.completion.resolve()
    await turns()
    wrap_join(worker, noting(notes, "late"))
    await turns()
    assert notes == [("early", None), ("late", "changed")]


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (ValueError("oops"), "layer gate: ValueError: oops"),
        (KeyboardInterrupt(), "layer gate: KeyboardInterrupt"),
        (SystemExit(3), "layer gate: SystemExit: 3"),
        (GeneratorExit(), "layer gate: GeneratorExit"),
        (asyncio.CancelledError(), "layer gate: CancelledError"),
    ],
)
def test_a_post_that_raises_fails_the_worker_with_its_name(raised, text):
    @in_loop
    async def check():
        for joined in (True, False):
            base, notes = Base(), []
            worker = wrap_join(base.worker, noting(notes, "gate", raised), name="gate")
            worker = wrap_join(worker, noting(notes, "outer"), name="outer")
            base.completion.resolve()
            if joined:
                with pytest.raises(WorkerFailed) as failure:
                    await worker.join()
                assert failure.value.__cause__ is raised
            await turns()
            assert notes == [("gate", None), ("outer", text)]

    check()


@in_loop
async def test_cancelling_the_joiner_in_a_post_still_runs_the_outer_ones():
    base, notes, started = Base(), [], asyncio.Event()

    async def slow(outcome):
        started.set()
        await asyncio.Event().wait()
        return outcome

    worker = wrap_join(wrap_join(base.worker, slow, name="slow"), noting(notes, "outer"), name="outer")
    joining = asyncio.ensure_future(worker.join())
    await turns()
    base.completion.resolve()
    await started.wait()
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    await turns()
    assert notes == [("outer", "cancelled in layer slow")]


@pytest.mark.parametrize("joined", [True, False])
def test_a_post_that_waits_is_interrupted_when_the_attempt_is_to_end(joined):
    @in_loop
    async def check():
        base, notes, started = Base(), [], asyncio.Event()

        async def slow(outcome):
            started.set()
            await asyncio.Event().wait()
            return outcome

        worker = wrap_join(wrap_join(base.worker, slow, name="slow"), noting(notes, "outer"), name="outer")

        async def join():
            with pytest.raises(WorkerCancelled, match="cancelled in layer slow"):
                await worker.join()
            await asyncio.sleep(0)  # nothing is left of the interruption
            return asyncio.current_task().cancelling()

        joining = asyncio.ensure_future(join()) if joined else None
        await turns()
        base.completion.resolve()
        await started.wait()
        base.worker.cancel_token.cancel("run cancelled")
        await turns()
        assert notes == [("outer", "cancelled in layer slow")]
        assert (await (joining or asyncio.ensure_future(join()))) == 0

    check()


@in_loop
async def test_a_cancel_before_the_end_leaves_the_posts_their_time():
    base, notes = Base(), []

    async def slow(outcome):
        await turns()
        notes.append(str(outcome))
        return outcome

    worker = wrap_join(base.worker, slow)
    base.worker.cancel_token.cancel("stop")
    base.completion.resolve(WorkerCancelled("stop"))
    with pytest.raises(WorkerCancelled, match="stop"):
        await worker.join()
    assert notes == ["stop"]


@in_loop
async def test_an_interruption_that_a_post_does_not_feel_hits_nobody_else():
    for swallows in (True, False):
        base, notes, gate = Base(), [], asyncio.Event()

        async def deaf(outcome, swallows=swallows, gate=gate):
            try:
                await gate.wait()
            except asyncio.CancelledError:
                if not swallows:
                    raise
            return outcome

        async def outer(outcome, notes=notes):
            await asyncio.sleep(0)
            notes.append(outcome and str(outcome))
            return outcome

        worker = wrap_join(wrap_join(base.worker, deaf, name="deaf"), outer)
        base.completion.resolve()
        joining = asyncio.ensure_future(worker.join())
        await turns()
        gate.set()  # it has what it waited for, and is told to end before its turn comes
        base.worker.cancel_token.cancel()
        await asyncio.wait({joining})
        assert notes == ([None] if swallows else ["cancelled in layer deaf"])


@in_loop
async def test_cancelling_the_joiner_leaves_the_worker_and_its_posts_to_come():
    base, notes = Base(), []
    worker = wrap_join(base.worker, noting(notes, "only"))
    joining = asyncio.ensure_future(worker.join())
    await turns()
    joining.cancel()
    await turns()
    assert joining.cancelled()
    assert notes == []
    base.completion.resolve(WorkerFailed("later"))
    await turns()
    assert notes == [("only", "later")]


@in_loop
async def test_a_wrapped_worker_is_joined_once_and_only_through_its_wrap():
    base = Base()
    worker = wrap_join(base.worker, noting([], "only"))
    with pytest.raises(AlreadyJoined):
        await base.worker.join()
    base.completion.resolve()
    await worker.join()
    with pytest.raises(AlreadyJoined):
        await worker.join()
    with pytest.raises(AlreadyJoined):
        wrap_join(worker, noting([], "late"))


@in_loop
async def test_a_joined_worker_cannot_be_wrapped():
    base = Base()
    base.completion.resolve()
    await base.worker.join()
    with pytest.raises(AlreadyJoined):
        wrap_join(base.worker, noting([], "late"))


class Foreign:
    """A worker of another make."""

    id = "W-00000000000000bb"

    def __init__(self, error=None):
        self.cancel_token = CancelToken()
        self._error = error

    async def join(self):
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (None, None),
        (WorkerCancelled("stop"), "stop"),
        (SystemExit(2), "SystemExit: 2"),
        (ValueError("bad"), "ValueError: bad"),
    ],
)
def test_a_worker_without_a_completion_is_joined_by_its_wrap(error, text):
    @in_loop
    async def check():
        notes = []
        wrap_join(Foreign(error), noting(notes, "only"))
        await turns()
        assert notes == [("only", text)]

    check()


def test_a_loop_that_goes_away_leaves_no_warning_behind():
    async def leave():
        worker = wrap_join(Base().worker, noting([], "only"))
        joining = asyncio.ensure_future(worker.join())
        await turns()
        return joining

    assert run(leave()).cancelled()
    gc.collect()
