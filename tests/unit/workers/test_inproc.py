from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress

import pytest

from skep.core.outputs import Artifact, FileRef, Final, Partial, Progress, final
from skep.errors import AttemptEnded, BadValue, ConfigError, LimitExceeded, WorkerCancelled, WorkerFailed
from skep.limits import Limits
from skep.testing.aio import in_loop, run
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.base import Previous, WorkerResult, wrap_join
from skep.workers.python.invocation import Invocation
from skep.workers.python.spawner import InProcSpawner
from skep.workers.threads import ThreadPool

WAIT = 10


async def same(outcome):
    return outcome


async def perform(function, given=None, **fields):
    """Spawn and join; returns the attempt, whose `closed` is set as the engine would."""
    attempt = FakeAttempt()
    worker = await InProcSpawner(function).spawn(make_ctx(given, channel=attempt, **fields))
    try:
        await worker.join()
    finally:
        attempt.close()
    return attempt


def both(function):
    """The function as it is, and as an async one."""

    @functools.wraps(function)
    async def later(*args, **kwargs):
        return function(*args, **kwargs)

    return pytest.mark.parametrize("function", [function, later], ids=["sync", "async"])


# -- results -----------------------------------------------------------------------------------


def greet(name: str, mark: str = "!") -> str:
    return f"hello {name}{mark}"


@both(greet)
def test_a_typed_function(function):
    @in_loop
    async def check():
        assert (await perform(function, {"name": "you"})).finals == [("hello you!", True)]
        assert (await perform(function, {"name": "you", "mark": "?"})).finals == [("hello you?", True)]

    check()


def no(inv):
    return WorkerResult({"verdict": inv.input}, ok=False)


@both(no)
def test_a_worker_result_says_no(function):
    @in_loop
    async def check():
        assert (await perform(function, "bad")).finals == [({"verdict": "bad"}, False)]

    check()


def said_itself(inv):
    inv.emit(final("first"))
    inv.emit(Final(FileRef("/a/file")))


@both(said_itself)
def test_a_function_that_emitted_its_final_and_returns_nothing_has_no_other(function):
    @in_loop
    async def check():
        attempt = await perform(function)
        assert [type(event) for event in attempt.outputs] == [Final, Final]
        assert attempt.outputs[-1].content == FileRef("/a/file")

    check()


# -- failures ----------------------------------------------------------------------------------


class Mute(Exception):
    def __str__(self):
        raise SystemExit("no text")


class Odd(Exception):
    def __str__(self):
        return OddText("odd")


class OddText(str):
    __slots__ = ()

    def __len__(self):
        raise ValueError

    def __format__(self, spec):
        raise ValueError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad"), "worker fn returned error: ValueError: bad"),
        (RuntimeError(), "worker fn returned error: RuntimeError"),
        (KeyboardInterrupt(), "worker fn returned error: KeyboardInterrupt"),
        (SystemExit(1), "worker fn returned error: SystemExit: 1"),
        (GeneratorExit(), "worker fn returned error: GeneratorExit"),
        (asyncio.CancelledError(), "worker fn returned error: CancelledError"),
        (BadValue("mine"), "worker fn returned error: BadValue: mine"),
        (Mute(), "worker fn returned error: Mute (its text cannot be had: str() raised SystemExit)"),
        (Odd(), "worker fn returned error: Odd: odd"),
        (
            ValueError("x" * 10_000),
            f"worker fn returned error: ValueError: {'x' * 4_000}... (6,000 more)",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["sync", "async", "wrapped"])
def test_whatever_it_raises_fails_the_worker_and_nothing_else(error, text, kind):
    def now():
        raise error

    async def later():
        raise error

    @in_loop
    async def check():
        attempt = FakeAttempt()
        spawner = InProcSpawner(now if kind == "sync" else later)
        worker = await spawner.spawn(make_ctx(channel=attempt))
        if kind == "wrapped":
            worker = wrap_join(worker, same)
        with pytest.raises(WorkerFailed) as failure:
            await worker.join()
        assert failure.value.what == text
        assert failure.value.__cause__ is error
        assert attempt.outputs == []

    check()


def two(n: int):
    return {n, n + 1}


@both(two)
def test_input_and_result_that_do_not_fit_are_told_apart(function):
    @in_loop
    async def check():
        with pytest.raises(WorkerFailed, match=r"^worker input: BadValue: input does not fit two: Expected"):
            await perform(function, "x")
        with pytest.raises(WorkerFailed, match=r"^worker result: BadValue: result: set has no JSON form"):
            await perform(function, 1)

    check()


@in_loop
async def test_values_over_the_limit_fail_the_worker():
    attempt = FakeAttempt()
    spawner = InProcSpawner(lambda: "x" * 100, limits=Limits(max_value_bytes=50))
    worker = await spawner.spawn(make_ctx(channel=attempt))
    with pytest.raises(WorkerFailed, match="max_value_bytes") as failure:
        await worker.join()
    assert isinstance(failure.value.__cause__, LimitExceeded)


class Refusing(FakeAttempt):
    def deliver(self, final):
        raise AttemptEnded("closed")


@both(greet)
def test_a_result_that_the_engine_refuses_fails_the_worker(function):
    @in_loop
    async def check():
        worker = await InProcSpawner(function).spawn(make_ctx({"name": "you"}, channel=Refusing()))
        with pytest.raises(WorkerFailed, match="worker result: AttemptEnded: closed"):
            await worker.join()

    check()


def test_what_is_no_worker_function():
    def generates():
        yield 1

    async def generates_later():
        yield 1

    for function, text in (
        (3, "int is not a function"),
        (dict, "class dict is not a function"),
        (generates, "generates is a generator"),
        (generates_later, "generates_later is a generator"),
    ):
        with pytest.raises(ConfigError, match=text):
            InProcSpawner(function)


def test_async_ness_is_seen_through_partials_methods_and_objects():
    async def f(n: int): ...

    class Agent:
        async def __call__(self, n: int): ...
        async def work(self, n: int): ...

    for function in (f, functools.partial(f, 1), Agent(), Agent().work):
        assert InProcSpawner(function).is_async
    assert not InProcSpawner(greet).is_async


# -- the invocation ----------------------------------------------------------------------------


def look(inv: Invocation):
    with pytest.raises(AttributeError):
        inv.task_id = "other"
    inv.progress("reading")
    inv.progress("writing", "half")
    inv.partial("piece")
    inv.artifact("plan", {"a": 1})
    inv.checkpoint({"at": 3})
    return {
        "ids": [inv.task_id, inv.attempt, inv.agent, inv.run_id, inv.step_key, inv.idempotency_key],
        "given": [inv.prompt, inv.input, inv.last_checkpoint, inv.work_dir, inv.token],
        "previous": [inv.previous.attempt, inv.previous.reason],
        "cancelled": inv.cancel_token.cancelled,
    }


@both(look)
def test_what_an_invocation_knows_and_does(function):
    @in_loop
    async def check():
        attempt = await perform(
            function,
            {"n": 1},
            attempt=2,
            previous=Previous(1, "timeout"),
            last_checkpoint=[7],
            work_dir="/work",
        )
        ctx = make_ctx()
        assert attempt.finals[0][0] == {
            "ids": [ctx.task_id, 2, ctx.agent, ctx.run_id, ctx.step_key, ctx.idempotency_key],
            "given": ['{"n":1}', {"n": 1}, [7], "/work", "token"],
            "previous": [1, "timeout"],
            "cancelled": False,
        }
        assert attempt.outputs[:3] == [Progress("reading"), Progress("writing", "half"), Partial("piece")]
        assert isinstance(attempt.outputs[3], Artifact)
        assert attempt.checkpoints == [{"at": 3}]

    check()


def misuse(inv: Invocation):
    for act in (
        lambda: inv.progress(3),
        lambda: inv.progress("a", 3),
        lambda: inv.partial(b"bytes"),
        lambda: inv.artifact(None, 1),
        lambda: inv.artifact("a", {1}),
        lambda: inv.checkpoint(float("nan")),
        lambda: inv.emit({"type": "final"}),
    ):
        with pytest.raises(BadValue):
            act()
    return "refused"


@both(misuse)
def test_misuse_is_a_bad_value_where_it_happens(function):
    @in_loop
    async def check():
        attempt = await perform(function)
        assert attempt.finals == [("refused", True)]
        assert len(attempt.outputs) == 1

    check()


@in_loop
async def test_methods_work_from_threads_that_an_async_function_uses():
    async def f(inv: Invocation):
        await asyncio.to_thread(inv.progress, "from a thread")
        with pytest.raises(BadValue):
            await asyncio.to_thread(inv.checkpoint, {1})
        return await asyncio.to_thread(lambda: inv.token)

    attempt = await perform(f)
    assert attempt.outputs[0] == Progress("from a thread")
    assert attempt.finals == [("token", True)]


@in_loop
async def test_after_the_end_every_method_is_refused():
    kept = []

    async def f(inv: Invocation):
        kept.append(inv)

    await perform(f)
    for act in (
        lambda: kept[0].progress("late"),
        lambda: kept[0].checkpoint(1),
        lambda: kept[0].emit(final(1)),
    ):
        with pytest.raises(AttemptEnded):
            act()
        with pytest.raises(AttemptEnded):
            await asyncio.to_thread(act)


def test_when_its_loop_is_gone_a_thread_is_told_so():
    kept = []

    async def f(inv: Invocation):
        kept.append(inv)

    run(perform(f))
    with ThreadPoolExecutor() as threads, pytest.raises(AttemptEnded, match=r"event loop .* closed"):
        threads.submit(kept[0].progress, "late").result(WAIT)


# -- contexts and tasks ------------------------------------------------------------------------

variable = contextvars.ContextVar("variable", default="unset")


def sees_and_sets():
    before = variable.get()
    variable.set("by the worker")
    return before


@both(sees_and_sets)
def test_context_variables_go_in_and_not_out(function):
    @in_loop
    async def check():
        variable.set("by the host")
        attempt = await perform(function)
        assert attempt.finals == [("by the host", True)]
        assert variable.get() == "by the host"

    check()


@in_loop
async def test_a_function_that_is_never_joined_still_runs():
    done = asyncio.Event()

    async def f():
        done.set()

    attempt = FakeAttempt()
    await InProcSpawner(f).spawn(make_ctx(channel=attempt))
    await done.wait()
    await asyncio.sleep(0)
    assert attempt.finals == [(None, True)]


@in_loop
async def test_a_sync_function_runs_beside_the_event_loop():
    entered, leave = threading.Event(), threading.Event()

    def f():
        entered.set()
        return leave.wait(WAIT)

    worker = await InProcSpawner(f).spawn(make_ctx())
    joining = asyncio.ensure_future(worker.join())
    await asyncio.to_thread(entered.wait)
    assert not joining.done()
    leave.set()
    await joining


# -- cancelling --------------------------------------------------------------------------------


@in_loop
async def test_a_cancelled_function_may_clean_up_and_its_own_error_is_told():
    cleaned = []

    async def f():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            cleaned.append(True)
            raise ValueError("while cleaning up") from None

    attempt, ctx = FakeAttempt(), make_ctx()
    worker = await InProcSpawner(f).spawn(ctx.replace(channel=attempt))
    asyncio.get_running_loop().call_later(0.01, ctx.cancel_token.cancel, "enough")
    with pytest.raises(
        WorkerCancelled, match="enough, then worker fn returned error: ValueError: while cleaning up"
    ):
        await worker.join()
    assert (cleaned, attempt.outputs) == ([True], [])


@in_loop
async def test_who_ends_within_the_grace_is_not_counted_as_left_behind():
    async def waits():
        await asyncio.Event().wait()

    def polls(inv: Invocation):
        while not inv.cancel_token.cancelled:
            threading.Event().wait(0.001)

    for function in (waits, polls):
        spawner, ctx = InProcSpawner(function), make_ctx(grace=0.05)
        worker = await spawner.spawn(ctx)
        await asyncio.sleep(0.01)
        ctx.cancel_token.cancel()
        with pytest.raises(WorkerCancelled):
            await worker.join()
        await asyncio.sleep(0.06)
        assert spawner.abandoned == 0


@in_loop
async def test_a_result_after_the_cancel_is_ignored():
    async def f():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "all the same"

    attempt, ctx = FakeAttempt(), make_ctx()
    worker = await InProcSpawner(f).spawn(ctx.replace(channel=attempt))
    asyncio.get_running_loop().call_later(0.01, ctx.cancel_token.cancel)
    with pytest.raises(WorkerCancelled):
        await worker.join()
    assert attempt.outputs == []


@in_loop
async def test_cancelled_before_its_first_turn_it_never_runs():
    ran = []

    async def f():
        ran.append(True)

    for wrapped in (False, True):
        ctx = make_ctx()
        worker = await InProcSpawner(f).spawn(ctx)
        if wrapped:
            worker = wrap_join(worker, same)
        ctx.cancel_token.cancel("stop")
        with pytest.raises(WorkerCancelled, match="stop"):
            await worker.join()
    await asyncio.sleep(0)
    assert ran == []


@in_loop
async def test_a_coroutine_that_ignores_its_cancellation_is_left_behind():
    release, ended, unhandled = asyncio.Event(), asyncio.Event(), []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))

    async def stubborn():
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        ended.set()
        raise ValueError("late")

    for joined in (False, True):
        release.clear()
        ended.clear()
        outcomes = asyncio.Queue()

        async def note(outcome, outcomes=outcomes):
            outcomes.put_nowait(outcome)
            return outcome

        attempt = FakeAttempt()
        ctx = make_ctx(channel=attempt, grace=0.02)
        spawner = InProcSpawner(stubborn)

        async def perform(ctx=ctx, spawner=spawner, note=note, joined=joined):
            worker = wrap_join(wrap_join(await spawner.spawn(ctx), note), note)
            if joined:
                await worker.join()

        performing = asyncio.ensure_future(perform())
        asyncio.get_running_loop().call_later(0.01, ctx.cancel_token.cancel)
        assert isinstance(await outcomes.get(), WorkerCancelled)
        assert isinstance(await outcomes.get(), WorkerCancelled)
        assert spawner.abandoned == 1
        attempt.close()
        release.set()
        await ended.wait()
        with pytest.raises(WorkerCancelled) if joined else nullcontext():
            await performing
        await asyncio.sleep(0)
        gc.collect()
        assert outcomes.empty()
        assert unhandled == []
        assert attempt.outputs == []


@in_loop
async def test_joined_directly_it_is_told_by_its_completion():
    release, spawned = asyncio.Event(), []

    async def stubborn():
        while not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()

    async def perform():
        spawned.append(await InProcSpawner(stubborn).spawn(ctx))
        await spawned[0].join()

    ctx = make_ctx(grace=0.02)
    performing = asyncio.ensure_future(perform())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.01, ctx.cancel_token.cancel)
    assert isinstance(await spawned[0].completion.wait(), WorkerCancelled)
    assert not performing.done()
    release.set()
    with pytest.raises(WorkerCancelled):
        await performing


@in_loop
async def test_a_thread_that_ignores_its_cancellation_is_left_behind():
    release, entered, refused = threading.Event(), threading.Event(), threading.Event()

    def f(inv: Invocation):
        entered.set()
        release.wait(WAIT)
        with pytest.raises(AttemptEnded):
            inv.progress("late")
        refused.set()

    limits = Limits(sync_threads=1, abandoned_threads=1)
    pool = ThreadPool(limits)
    spawner = InProcSpawner(f, limits=limits, threads=pool)
    attempt = FakeAttempt()
    ctx = make_ctx(channel=attempt, grace=0.02)
    worker = await spawner.spawn(ctx)
    await asyncio.to_thread(entered.wait)
    ctx.cancel_token.cancel("enough")
    with pytest.raises(WorkerCancelled, match="enough"):
        await worker.join()
    attempt.close()
    assert (spawner.abandoned, pool.abandoned) == (1, 1)
    with pytest.raises(LimitExceeded, match="abandoned_threads of 1"):
        await spawner.spawn(make_ctx())
    release.set()
    await asyncio.to_thread(refused.wait)
    assert attempt.outputs == []


@in_loop
async def test_a_sync_call_that_waits_for_a_thread_is_taken_back_when_cancelled():
    entered, release, ran = threading.Event(), threading.Event(), []

    def blocks():
        entered.set()
        release.wait(WAIT)

    pool = ThreadPool(Limits(sync_threads=1))
    first = await InProcSpawner(blocks, threads=pool).spawn(make_ctx())
    await asyncio.to_thread(entered.wait)
    ctx = make_ctx()
    second = await InProcSpawner(lambda: ran.append(1), threads=pool).spawn(ctx)
    ctx.cancel_token.cancel("not needed")
    with pytest.raises(WorkerCancelled, match="not needed"):
        await second.join()
    release.set()
    await first.join()
    assert ran == []
    assert pool.abandoned == 0


def test_being_left_behind_is_logged(caplog):
    with caplog.at_level(logging.WARNING, "skep.workers"):
        test_a_thread_that_ignores_its_cancellation_is_left_behind()
    assert "ignored its cancellation; it was left behind" in caplog.text
    assert "tester" in caplog.text


@in_loop
async def test_a_task_cancelled_from_elsewhere_closes_the_channel():
    started = asyncio.Event()

    async def f():
        started.set()
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    worker = await InProcSpawner(f).spawn(make_ctx())
    await started.wait()
    (task,) = asyncio.all_tasks() - before
    task.cancel()
    with pytest.raises(WorkerFailed, match="worker completion channel closed"):
        await worker.join()


@in_loop
async def test_cancelling_the_joiner_ends_what_it_performs_and_layers_hear_of_it():
    started, outcomes = asyncio.Event(), asyncio.Queue()

    async def f():
        started.set()
        await asyncio.Event().wait()

    async def note(outcome):
        outcomes.put_nowait(outcome)
        return outcome

    async def perform_in_one_turn():
        worker = await InProcSpawner(f).spawn(make_ctx())
        await wrap_join(worker, note).join()

    performing = asyncio.ensure_future(perform_in_one_turn())
    await started.wait()
    performing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await performing
    assert (await outcomes.get()).what == "worker completion channel closed"
    assert outcomes.empty()


@in_loop
async def test_a_cancel_from_inside_is_for_the_next_wait():
    async def f(inv: Invocation):
        inv.cancel_token.cancel("by itself")
        await asyncio.Event().wait()

    for wrapped in (False, True):
        worker = await InProcSpawner(f).spawn(make_ctx())
        with pytest.raises(WorkerCancelled, match="by itself"):
            await (wrap_join(worker, same) if wrapped else worker).join()
        assert asyncio.current_task().cancelling() == 0
        await asyncio.sleep(0)
