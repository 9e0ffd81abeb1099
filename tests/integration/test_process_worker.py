"""Real programs, written here."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from skep.core.outputs import Artifact, Progress
from skep.errors import BadValue, LimitExceeded, SpawnError, WorkerCancelled, WorkerFailed
from skep.limits import Limits
from skep.testing.aio import in_loop, run
from skep.testing.workers import FakeAttempt, make_ctx
from skep.values import decode
from skep.workers.process.spawner import ProcessSpawner


def python(code, *args, **options):
    return ProcessSpawner(sys.executable, ["-c", textwrap.dedent(code), *args], **options)


def sh(code, **options):
    return ProcessSpawner("sh", ["-c", code], **options)


async def perform(spawner, given=None, **fields):
    attempt = FakeAttempt()
    worker = await spawner.spawn(make_ctx(given, channel=attempt, **fields))
    await worker.join()
    return attempt


async def value(spawner, given=None, **fields):
    ((result, ok),) = (await perform(spawner, given, **fields)).finals
    assert ok
    return result


async def failure(spawner, given=None, **fields):
    attempt = FakeAttempt()
    worker = await spawner.spawn(make_ctx(given, channel=attempt, **fields))
    with pytest.raises(WorkerFailed) as error:
        await worker.join()
    assert attempt.finals == []
    return error.value, attempt


def alive(pid):
    """Whether the process still runs; a zombie has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def gone(pid):
    for _ in range(500):
        if not alive(pid):
            return True
        await asyncio.sleep(0.01)
    return False


async def until_written(path):
    """What a child wrote into `path` with a newline at its end."""
    for _ in range(1000):
        if path.exists() and path.read_text().endswith("\n"):
            return path.read_text()
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} was not written")


# -- results -----------------------------------------------------------------------------------


@in_loop
async def test_json_on_stdout_is_the_value():
    assert await value(sh("""printf ' {"a": [1, 2.5, null]}\n\n'""")) == {"a": [1, 2.5, None]}
    assert await value(ProcessSpawner("cat"), {"é": "\u2028"}) == {"é": "\u2028"}


@in_loop
async def test_plain_text_comes_with_stderr():
    assert await value(sh("echo '  two words '; echo; echo why >&2")) == {
        "raw": "  two words",
        "stderr": "why\n",
    }
    assert await value(sh("true")) == {"raw": "", "stderr": ""}


@in_loop
async def test_exit_1_with_json_blocks_with_that_json_and_keeps_stderr():
    attempt = await perform(sh("""echo '{"verdict": "no"}'; echo because >&2; exit 1"""))
    assert attempt.finals == [({"verdict": "no"}, False)]
    assert attempt.outputs[0] == Progress("exit", "exit code 1")
    assert isinstance(attempt.outputs[1], Artifact)
    assert (attempt.outputs[1].name, decode(attempt.outputs[1].content.value)) == ("stderr", "because\n")


@in_loop
async def test_exit_3_with_text_blocks_with_both_streams():
    attempt = await perform(sh("echo half; echo why >&2; exit 3"))
    assert attempt.finals == [({"raw": "half", "stderr": "why\n"}, False)]
    assert attempt.outputs[0] == Progress("exit", "exit code 3")
    assert len(attempt.outputs) == 2


@in_loop
async def test_bytes_that_are_not_utf8_are_replaced_and_said_so():
    assert await value(sh(r"printf 'a\377b'")) == {"raw": "a\ufffdb", "stderr": "", "lossy": True}
    assert await value(sh(r"printf 'a'; printf '\377' >&2")) == {
        "raw": "a",
        "stderr": "\ufffd",
        "lossy": True,
    }


@pytest.mark.parametrize(
    "text", ["NaN", "{'a': 1}", '{"a": 1} x', "123456789012345678901234567890", r'"\ud800"']
)
def test_what_json_cannot_carry_exactly_stays_text(text):
    assert run(value(ProcessSpawner("printf", ["%s", text]))) == {"raw": text, "stderr": ""}


@in_loop
async def test_json_beyond_the_limits_fails_named():
    error, _ = await failure(python("print('[' * 5000 + ']' * 5000)"))
    assert isinstance(error.__cause__, LimitExceeded | BadValue)
    error, _ = await failure(
        python("print('\"' + 'x' * 5000 + '\"')", host_limits=Limits(max_value_bytes=1000))
    )
    assert "max_value_bytes" in error.what


# -- input -------------------------------------------------------------------------------------

CHATTY = """
    import json, sys
    sys.stdout.write(" " * 3_000_000)
    sys.stderr.write("e" * 3_000_000)
    sys.stdout.flush(); sys.stderr.flush()
    print(json.dumps(len(sys.stdin.read())))
"""


@in_loop
async def test_a_large_prompt_and_a_child_that_talks_first_do_not_wait_for_each_other():
    assert await value(python(CHATTY), "x" * 50_000_000) == 50_000_000


@in_loop
async def test_a_child_need_not_read_its_stdin():
    assert await value(sh("exec <&-; echo done"), "x" * 5_000_000) == {"raw": "done", "stderr": ""}
    assert await value(sh("echo '[1]'"), "x" * 50_000_000) == [1]


@in_loop
async def test_without_stdin_the_prompt_is_the_last_argument():
    code = "import json, sys; print(json.dumps([sys.argv[1:], sys.stdin.read()]))"
    for prompt in ('it\'s "quoted"\nand more $HOME `x`', "-n", "", "x" * 131_071):
        assert await value(python(code, "first", use_stdin=False), prompt) == [["first", prompt], ""]


@pytest.mark.parametrize(("prompt", "text"), [("a\0b", "holds a NUL"), ("é" * 65_536, "has 131,072 bytes")])
def test_a_prompt_that_no_argument_carries_is_refused_before_the_start(prompt, text):
    with pytest.raises(SpawnError, match=f"{text}.*use_stdin: true"):
        run(perform(ProcessSpawner("nothing-starts", use_stdin=False), prompt))


# -- places ------------------------------------------------------------------------------------


@in_loop
async def test_where_a_program_and_its_cwd_are_looked_for(tmp_path):
    blueprint, work = tmp_path / "blueprint", tmp_path / "work"
    (blueprint / "sub").mkdir(parents=True)
    work.mkdir()
    tool = blueprint / "tool"
    tool.write_text("#!/bin/sh\npwd")
    tool.chmod(0o755)
    places = {"blueprint_dir": str(blueprint), "work_dir": str(work)}

    async def cwd(spawner, **fields):
        return (await value(spawner, **fields))["raw"]

    assert await cwd(ProcessSpawner("pwd"), **places) == str(work)
    assert await cwd(ProcessSpawner("pwd"), blueprint_dir=str(blueprint)) == str(blueprint)
    assert await cwd(ProcessSpawner("pwd")) == str(Path.cwd())
    assert await cwd(ProcessSpawner("pwd", cwd="sub"), **places) == str(blueprint / "sub")
    assert await cwd(ProcessSpawner("pwd", cwd=str(tmp_path)), **places) == str(tmp_path)
    assert await cwd(ProcessSpawner("./tool"), **places) == str(work)
    assert await cwd(ProcessSpawner("./tool", cwd=str(blueprint))) == str(blueprint)


def write(path, text, mode):
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_what_cannot_be_started_says_why_and_what_to_do(tmp_path):
    no_exec = write(tmp_path / "no_exec", "#!/bin/sh\n", 0o644)
    no_interpreter = write(tmp_path / "no_interpreter", "#!/not/there\n", 0o755)
    no_format = write(tmp_path / "no_format", "just text", 0o755)
    for spawner, text in (
        (
            ProcessSpawner("surely-not-installed"),
            "'surely-not-installed' was not found .install it on the PATH",
        ),
        (ProcessSpawner(str(tmp_path / "none")), "none' was not found .check the path"),
        (ProcessSpawner(str(tmp_path)), "is a folder, not a program"),
        (ProcessSpawner(no_exec), "no_exec is not executable .chmod .x"),
        (ProcessSpawner(no_interpreter), "no_interpreter names an interpreter that is not there"),
        (ProcessSpawner(no_format), "no_format is no program for this machine .*#!/bin/sh"),
        (ProcessSpawner("true", cwd=str(tmp_path / "gone")), "working directory .*gone is not there"),
        (ProcessSpawner("true", cwd=no_exec), "working directory .*no_exec is not a folder"),
        (ProcessSpawner("true", ["x" * 100_000] * 40), "too long together"),
    ):
        with pytest.raises(SpawnError, match=text):
            run(perform(spawner))


# -- failing -----------------------------------------------------------------------------------


@in_loop
async def test_a_signal_is_named_with_the_last_words():
    error, attempt = await failure(sh("echo one >&2; echo last words >&2; kill -SEGV $$"))
    assert error.what == "sh was killed by SIGSEGV; stderr ends: last words"
    assert decode(attempt.outputs[0].content.value) == "one\nlast words\n"


@in_loop
async def test_too_much_output_kills_the_tree():
    error, _ = await failure(sh("yes & yes", host_limits=Limits(process_output_bytes=100_000)))
    assert "limit process_output_bytes of 100,000 exceeded" in error.what
    assert isinstance(error.__cause__, LimitExceeded)


@in_loop
async def test_a_flood_on_stderr_holds_nothing_up():
    result = await value(sh("head -c 100000000 /dev/zero | tr '\\0' e >&2; echo end >&2; echo '[1]'"))
    assert result == [1]


@in_loop
async def test_of_stderr_the_tail_is_kept():
    limits = Limits(process_stderr_tail=1000)
    code = "import sys; sys.stderr.write('é' * 2_000_000 + 'xend')"
    result = await value(python(code, host_limits=limits))
    assert result["stderr"].endswith("ééxend")
    assert len(result["stderr"].encode()) in (999, 1000)
    assert "lossy" not in result


@in_loop
async def test_a_timeout_ends_the_program_and_says_so():
    error, attempt = await failure(sh("echo waiting >&2; sleep 60", timeout=0.2))
    assert error.what == "sh did not end within 0.2 s; stderr ends: waiting"
    assert decode(attempt.outputs[0].content.value) == "waiting\n"


# -- ending ------------------------------------------------------------------------------------


async def cancelled(spawner, path, **fields):
    """Cancel once the child has written `path`; returns its text and the seconds until the join."""
    ctx = make_ctx(str(path), **fields)
    worker = await spawner.spawn(ctx)
    text = await until_written(path)
    loop = asyncio.get_running_loop()
    began = loop.time()
    ctx.cancel_token.cancel("enough")
    with pytest.raises(WorkerCancelled, match="enough"):
        await worker.join()
    return text, loop.time() - began


@in_loop
async def test_cancel_asks_first(tmp_path):
    code = 'read -r f; trap "echo asked >> $f; exit 0" TERM; echo ready > "$f"; while :; do sleep 0.01; done'
    _, took = await cancelled(sh(code), tmp_path / "f", grace=30)
    assert (tmp_path / "f").read_text() == "ready\nasked\n"
    assert took < 10


@in_loop
async def test_cancel_kills_who_ignores_it_and_its_children(tmp_path):
    code = """
        import os, signal, sys, time
        path = sys.stdin.read()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = os.fork()
        if child == 0:
            time.sleep(60)
        open(path, "w").write(f"{os.getpid()} {child}\\n")
        time.sleep(60)
    """
    text, took = await cancelled(python(code), tmp_path / "f", grace=0.2)
    assert 0.1 < took < 10
    for pid in text.split():
        assert await gone(int(pid))


@in_loop
async def test_a_grandchild_that_holds_the_pipe_does_not_hold_the_result(tmp_path):
    path = tmp_path / "f"
    code = 'read -r f; sleep 60 & echo $! > "$f"; echo \'"done"\''
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await value(sh(code, host_limits=Limits(process_drain=0.1)), f"{path}\n") == "done"
    assert loop.time() - began < 10
    assert await gone(int(path.read_text()))


@in_loop
async def test_a_grandchild_without_the_pipe_ends_with_the_attempt(tmp_path):
    path = tmp_path / "f"
    code = 'read -r f; sleep 60 >/dev/null 2>&1 <&1 & echo $! > "$f"; echo \'"done"\''
    assert await value(sh(code), f"{path}\n") == "done"
    assert await gone(int(path.read_text()))


@in_loop
async def test_a_child_that_closes_its_pipes_and_lives_is_waited_for():
    assert await value(sh("echo '[7]'; exec >&- 2>&-; sleep 0.1")) == [7]


def test_an_event_loop_that_goes_away_takes_its_children_along(tmp_path):
    path = tmp_path / "f"

    async def leave(*, at_once):
        await sh('read -r f; echo $$ > "$f"; sleep 60').spawn(make_ctx(f"{path}\n"))
        if not at_once:
            await until_written(path)

    run(leave(at_once=False))
    assert run(gone(int(path.read_text())))
    before = children()
    run(leave(at_once=True))
    assert run(no_more_than(before))


def children():
    """Our child processes, zombies included."""
    return set(Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split())


async def no_more_than(before):
    for _ in range(500):
        if children() <= before:
            return True
        await asyncio.sleep(0.01)
    return False


@in_loop
async def test_nothing_is_left_behind():
    def left():
        return len(list(Path("/proc/self/fd").iterdir())), children(), len(asyncio.all_tasks())

    def ours():
        policy = asyncio.get_event_loop_policy()
        return signal.getsignal(signal.SIGCHLD), policy, getattr(policy, "_watcher", None)

    host = ours()
    await perform(sh("true"))
    before = left()
    for _ in range(10):
        await asyncio.gather(*(perform(sh("echo x; echo y >&2; exit 2"), "in" * 100) for _ in range(10)))
    await asyncio.sleep(0)
    assert left() == before
    assert ours() == host


@in_loop
async def test_where_there_is_no_pidfd_a_thread_waits(monkeypatch, tmp_path):
    def missing(_pid):
        raise OSError("not here")

    monkeypatch.setattr(os, "pidfd_open", missing)
    assert await value(sh("echo '[1]'")) == [1]
    error, _ = await failure(sh("kill -9 $$"))
    assert "SIGKILL" in error.what
    _, took = await cancelled(sh('read -r f; echo x > "$f"; sleep 60'), tmp_path / "f", grace=30)
    assert took < 10


LOST = """
import asyncio, signal
from skep.errors import WorkerFailed
from skep.testing.workers import make_ctx
from skep.workers.process.spawner import ProcessSpawner

async def main():
    worker = await ProcessSpawner("true").spawn(make_ctx())
    try:
        await worker.join()
    except WorkerFailed as error:
        print(error)

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
asyncio.run(main())
"""


def test_a_host_that_reaps_everything_is_told_that_exit_codes_are_lost():
    ended = subprocess.run(
        [sys.executable, "-c", LOST], capture_output=True, text=True, timeout=30, check=True
    )
    assert "the exit code of true is lost" in ended.stdout
    assert "do not ignore SIGCHLD" in ended.stdout


def test_processes_never_run_ahead_of_the_journal():
    assert ProcessSpawner("true").runs_ahead is False
