"""Programs that serve many attempts, through the pool and through the engine."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap

import pytest

from skep import Engine, flow
from skep.core.outputs import Artifact, Partial
from skep.errors import RunFailed, SpawnError, WorkerCancelled, WorkerFailed
from skep.flow.process_limits import ProcessLimits
from skep.limits import Limits
from skep.testing.aio import in_loop
from skep.testing.workers import FakeAttempt, make_ctx
from skep.values import decode
from skep.workers.pool import PoolSize
from skep.workers.process.spawner import ProcessSpawner

HEAD = """
import json, os, sys, time
def say(id, type, **more):
    print(json.dumps({"id": id, "type": type, **more}), flush=True)
def final(id, value):
    say(id, "final", content={"kind": "inline", "value": value})
"""


def serving(body, **options):
    """A program whose `body` runs for each request `r`."""
    loop = "for line in sys.stdin:\n    r = json.loads(line)\n" + textwrap.indent(
        textwrap.dedent(body), "    "
    )
    options.setdefault("pool", PoolSize(max=1))
    return ProcessSpawner(sys.executable, ["-c", HEAD + loop], persistent=True, **options)


async def attempt_of(spawner, given=None, **fields):
    attempt = FakeAttempt()
    worker = await spawner.spawn(make_ctx(given, channel=attempt, **fields))
    try:
        await worker.join()
    except WorkerFailed as error:
        return attempt, error
    return attempt, None


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@in_loop
async def test_a_request_says_which_attempt_it_is():
    spawner = serving("final(r['id'], r)")
    attempt, _ = await attempt_of(spawner, {"a": "é"}, task_id="T-1", attempt=3, agent="cli")
    ((value, _),) = attempt.finals
    assert value == {"id": "T-1/3", "task_id": "T-1", "attempt": 3, "agent": "cli", "prompt": '{"a":"é"}'}
    await spawner.close()


@in_loop
async def test_its_environment_names_no_attempt():
    spawner = serving("final(r['id'], sorted(k for k in os.environ if k.startswith(('SKEP_', 'MSE_'))))")
    ((names, _),) = (await attempt_of(spawner))[0].finals
    assert {"SKEP_AGENT", "MSE_CTX_AGENT"} <= set(names)
    told = {
        "SKEP_TASK_ID",
        "SKEP_ATTEMPT",
        "SKEP_IDEMPOTENCY_KEY",
        "MSE_TASK_ID",
        "MSE_ATTEMPT",
        "MSE_TOKEN_NONCE",
    }
    assert not told & set(names)
    await spawner.close()


@in_loop
async def test_what_comes_late_reaches_nobody():
    """The second attempt sees nothing that the first one said after its final, nor what strangers say."""
    spawner = serving("""
        say("T-0/1", "partial", chunk="stranger")
        final(r["id"], r["prompt"])
        say(r["id"], "partial", chunk="late")
        final(r["id"], "again")
    """)
    for number in (1, 2, 3):
        attempt, error = await attempt_of(spawner, str(number), task_id=f"T-{number}")
        assert error is None
        assert attempt.finals == [(str(number), True)]
        assert not any(isinstance(event, Partial) for event in attempt.outputs)
    await spawner.close()


@in_loop
async def test_who_says_too_much_to_nobody_is_ended():
    """While it is idle nobody is harmed; an attempt that goes on fails, and says why."""
    spawner = serving("""
        if r["prompt"] != "before its final":
            final(r["id"], os.getpid())
        while r["prompt"] != "quiet":
            say("T-0/1", "partial", chunk="stranger")
    """)
    ((first, _),) = (await attempt_of(spawner, "after its final"))[0].finals
    while alive(first):
        await asyncio.sleep(0)
    ((second, _),) = (await attempt_of(spawner, "quiet"))[0].finals
    assert first != second
    _, error = await attempt_of(spawner, "before its final")
    assert "process_bad_records (100) events for nobody" in error.what
    await spawner.close()


@in_loop
async def test_bad_lines_are_told_to_the_attempt_in_which_they_came():
    spawner = serving("""
        if r["prompt"] == "noisy":
            print("noise"); say("", "nonsense"); print('{"type":"partial","chunk":"of nobody"}')
        final(r["id"], 1)
    """)
    attempt, _ = await attempt_of(spawner, "noisy")
    (kept,) = [event for event in attempt.outputs if isinstance(event, Artifact)]
    assert decode(kept.content.value)["count"] == 3
    attempt, _ = await attempt_of(spawner, "quiet")
    assert len(attempt.outputs) == 1
    await spawner.close()


@in_loop
async def test_what_it_may_say_is_limited_for_each_attempt():
    spawner = serving("""
        while r["prompt"] == "noisy":
            say(r["id"], "partial", chunk="x" * 100)
        final(r["id"], "x" * 700)
    """, limits=ProcessLimits(output_bytes=1_000))  # fmt: skip
    for _ in range(3):
        ((said, _),) = (await attempt_of(spawner, "quiet"))[0].finals
        assert len(said) == 700
    _, error = await attempt_of(spawner, "noisy")
    assert "process_output_bytes of 1,000" in error.what
    assert len((await attempt_of(spawner, "quiet"))[0].finals) == 1
    await spawner.close()


@in_loop
async def test_the_files_of_its_folder_may_be_handed_in():
    spawner = serving('final(r["id"], os.environ["SKEP_SCRATCH"])')
    for _ in range(2):
        attempt, _ = await attempt_of(spawner, "x")
        assert attempt.folders == [attempt.finals[0][0]]
    await spawner.close()


@in_loop
async def test_too_many_bad_lines_fail_the_attempt_and_end_the_program():
    spawner = serving("""
        while r["prompt"] == "noisy":
            print("noise")
        final(r["id"], os.getpid())
    """, host_limits=Limits(process_bad_records=3))  # fmt: skip
    ((first, _),) = (await attempt_of(spawner, "1"))[0].finals
    _, error = await attempt_of(spawner, "noisy")
    assert "process_bad_records of 3" in error.what
    ((second, _),) = (await attempt_of(spawner, "2"))[0].finals
    assert first != second
    assert not alive(first)
    await spawner.close()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("sys.exit(3)", "ended with exit code 3 before its final"),
        ("sys.exit(0)", "ended with exit code 0 before its final"),
        ("os.abort()", "was killed by SIGABRT"),
        ("sys.exit('no disk')", "stderr ends: no disk"),
    ],
)
def test_how_it_crashed_is_named(body, named):
    @in_loop
    async def check():
        spawner = serving(body)
        attempt, error = await attempt_of(spawner)
        assert named in error.what
        assert attempt.finals == []
        await spawner.close()

    check()


@in_loop
async def test_one_that_died_while_it_was_idle_is_replaced_unseen():
    spawner = serving("final(r['id'], os.getpid())")
    ((first, _),) = (await attempt_of(spawner))[0].finals
    os.kill(first, 9)
    while spawner._pooled.pool._idle[0].worker.usable:
        await asyncio.sleep(0.01)
    attempt, error = await attempt_of(spawner)
    assert error is None
    assert attempt.finals[0][0] != first
    await spawner.close()


@in_loop
async def test_an_invocation_has_a_timeout():
    spawner = serving("time.sleep(60)", timeout=0.2)
    _, error = await attempt_of(spawner, grace=0.5)
    assert "did not answer within 0.2 s" in error.what
    await spawner.close()


@in_loop
async def test_a_program_that_cannot_be_started_fails_each_attempt():
    spawner = ProcessSpawner("/nowhere/program", persistent=True, pool=PoolSize(max=1))
    for _ in range(3):
        _, error = await attempt_of(spawner)
        assert isinstance(error.__cause__, SpawnError)
    assert spawner._pooled.pool.count == 0


@in_loop
async def test_another_folder_needs_another_program(tmp_path):
    """One that serves an attempt runs where that attempt's program would."""
    spawner = serving("final(r['id'], os.getcwd())", pool=PoolSize(max=1))
    for name in ("a", "b", "a"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        ((cwd, _),) = (await attempt_of(spawner, work_dir=str(folder)))[0].finals
        assert cwd == str(folder)
    assert spawner._pooled.pool.count == 1
    await spawner.close()


@in_loop
async def test_at_the_end_it_is_told_by_the_end_of_its_stdin(tmp_path):
    spawner = ProcessSpawner(
        sys.executable,
        [
            "-c",
            HEAD
            + "for line in sys.stdin:\n    final(json.loads(line)['id'], 1)\nopen(sys.argv[1], 'w').close()",
        ],
        persistent=True,
    ).arg(str(tmp_path / "bye"))
    await attempt_of(spawner)
    await spawner.close()
    assert (tmp_path / "bye").exists()


@in_loop
async def test_a_big_prompt_and_a_flood_move_at_once():
    spawner = serving("""
        for _ in range(200):
            say(r["id"], "partial", chunk="x" * 10_000)
        final(r["id"], len(r["prompt"]))
    """, host_limits=Limits(process_window=100_000))  # fmt: skip
    attempt, _ = await attempt_of(spawner, "p" * 3_000_000)
    assert attempt.finals == [(3_000_000, True)]
    assert sum(len(event.chunk) for event in attempt.outputs if isinstance(event, Partial)) == 2_000_000
    await spawner.close()


@in_loop
async def test_a_cancel_ends_what_the_program_started(tmp_path):
    spawner = serving(f"os.system('echo $$ > {tmp_path}/pid; exec sleep 60')")
    ctx = make_ctx()
    worker = await spawner.spawn(ctx)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().endswith("\n"):
        await asyncio.sleep(0.01)
    ctx.cancel_token.cancel("enough")
    with pytest.raises(WorkerCancelled):
        await worker.join()
    await spawner.close()
    assert not alive(int((tmp_path / "pid").read_text()))


# -- through the engine ------------------------------------------------------------------------

ECHO = (
    HEAD + "for line in sys.stdin:\n    r = json.loads(line)\n    final(r['id'], [os.getpid(), r['prompt']])"
)


def blueprint(code, **more):
    spec = {"program": sys.executable, "args": ["-c", code], "persistent": True, "pool": {"max": 2}, **more}
    step = flow.step("cli", in_=flow.p.n, out=flow.p.got)
    body = flow.fanout(flow.p.all, body=step, bind=flow.p.n, out=flow.p.lanes, select=flow.p.got)
    return flow.blueprint("serving", body, agents={"cli": {"kind": "subprocess", "spec": spec}})


@in_loop
async def test_a_fanout_shares_two_programs_and_the_engine_ends_them():
    async with Engine.open() as engine:
        handle = await engine.start(blueprint(ECHO), {"all": [str(n) for n in range(40)]})
        lanes = (await handle.result())["lanes"]
        assert [prompt for _, prompt in lanes] == [str(n) for n in range(40)]
        pids = {pid for pid, _ in lanes}
        assert len(pids) <= 2
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


@in_loop
async def test_a_class_serves_a_run_and_is_closed_with_the_engine():
    log = []
    async with Engine.open() as engine:

        @engine.agent("cli", persistent=PoolSize(max=1))
        class Model:
            def __init__(self):
                self.seen = 0

            async def open(self):
                log.append("open")

            async def __call__(self, text: str) -> int:
                self.seen += 1
                return self.seen

            def close(self):
                log.append("close")

        step = flow.step("cli", in_=flow.p.n, out=flow.p.got)
        handle = await engine.start(flow.blueprint("b", flow.seq(step, step)), {"n": "x"})
        assert (await handle.result())["got"] == 2
    assert log == ["open", "close"]


@in_loop
async def test_a_class_that_fails_to_open_fails_the_attempt():
    async with Engine.open() as engine:

        @engine.agent("cli", persistent=True)
        class Model:
            def open(self):
                raise OSError("no such model")

            async def __call__(self):
                return 1

        handle = await engine.start(flow.blueprint("b", flow.step("cli", in_=None, out=flow.p.got)), {})
        with pytest.raises(RunFailed, match="no such model"):
            await handle.result()
