from __future__ import annotations

from tests.unit.layers.bench import Bench, layer_env

from skep.core.outputs import Artifact, final, inline
from skep.errors import AttemptEnded
from skep.flow.problems import Problem
from skep.layers import long_hold
from skep.testing.aio import in_loop
from skep.testing.clock import FakeClock
from skep.testing.workers import FakeAttempt, make_ctx


async def held(clock, attempt):
    bench = Bench()
    spawner = long_hold.build({"default_hold": 2}, layer_env(clock))(bench)
    return bench, await spawner.spawn(make_ctx(1, channel=attempt))


@in_loop
async def test_an_attempt_that_takes_long_is_warned_of_once(caplog):
    clock, attempt = FakeClock(), FakeAttempt()
    bench, worker = await held(clock, attempt)
    clock.advance(1999)
    assert attempt.appended == []
    clock.advance(1)
    note = {"long_hold_warn": True, "elapsed_ms": 2000, "default_hold_ms": 2000}
    assert attempt.appended == [(Artifact("long_hold_warn", inline(note)), "layer:long_hold")]
    assert "works for 2000 ms" in caplog.text
    clock.advance(10_000)
    attempt.emit(final("late"))
    bench.end(1)
    await worker.join()
    assert len(attempt.appended) == 1
    assert attempt.last_final() == ("late", True)


@in_loop
async def test_a_quick_one_is_not():
    clock, attempt = FakeClock(), FakeAttempt()
    bench, worker = await held(clock, attempt)
    bench.end(1)
    await worker.join()
    clock.advance(5000)
    assert attempt.appended == []


@in_loop
async def test_a_warning_that_cannot_be_recorded_changes_nothing(caplog):
    class Full(FakeAttempt):
        def append(self, event, *, by):
            raise AttemptEnded("over")

    clock = FakeClock()
    bench, worker = await held(clock, Full())
    clock.advance(2000)
    bench.end(1)
    await worker.join()
    assert "could not be recorded: over" in caplog.text


def test_options():
    check = long_hold.HINT.check
    assert check({"default_hold": 0.5}, "p") == []
    assert [problem.code for problem in check({}, "p")] == ["E-FIELD-MISSING"]
    assert [problem.code for problem in check({"default_hold": 0}, "p")] == ["E-FIELD-RANGE"]
    [problem] = check({"default_hold": 1, "hold": 1}, "p")
    assert isinstance(problem, Problem)
    assert (problem.place, problem.code) == ("p.hold", "E-FIELD-UNKNOWN")
