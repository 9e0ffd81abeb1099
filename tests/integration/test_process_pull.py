"""Programs that pull: what they are given to act with, and what they may do with it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from skep import Engine, parse_blueprint
from skep.core.outputs import Artifact, final
from skep.core.tokens import handle_digest
from skep.errors import RunFailed, SpawnError, TokenNotFound, WorkerFailed
from skep.flow.parts import SubprocessDef
from skep.testing.aio import in_loop
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.process import command
from skep.workers.process.spawner import ProcessSpawner
from skep.workers.process.streams import StreamMode
from skep.workers.process.template import TemplateSpawner

HANDLE = "wh-" + "0" * 32
PULL = {"SKEP_HANDLE", "SKEP_HANDLE_FD", "SKEP_URL"}

# Tells in a file what it was given, then waits until the pipe `go` ends, prints and exits as its arguments say.
PULLER = """
import hashlib, json, os, sys
place, printed, code = sys.argv[1:]
env = {name: text for name, text in os.environ.items() if name.startswith("SKEP_")}
number = int(env["SKEP_HANDLE_FD"])
open(f"{place}/pid", "w").write(f"{os.getpid()} {number}\\n")
open(f"{place}/look").read()
handle = b""
while piece := os.read(number, 7):
    handle += piece
told = {"digest": hashlib.sha256(handle.strip()).hexdigest(), "env": env, "ends": handle[-1:] == b"\\n"}
open(f"{place}/told.new", "w").write(json.dumps(told))
os.rename(f"{place}/told.new", f"{place}/told")
open(f"{place}/handle", "w").write(handle.decode().strip())
open(f"{place}/go").read()
print(printed)
sys.exit(int(code))
"""


async def there(path):
    while not path.exists() or not path.read_text():
        await asyncio.sleep(0.01)
    return path.read_text()


def agent(place, printed="chatter", code=0, **spec):
    """An agent that pulls, and its pipes."""
    for name in ("look", "go"):
        os.mkfifo(place / name)
    args = ["-c", PULLER, str(place), printed, str(code)]
    return {"name": "a", "kind": "subprocess", "spec": {"program": sys.executable, "args": args, **spec}}


def blueprint(*agents):
    flow = {"kind": "step", "ref": "a", "in": {"op": "path", "at": "$"}, "out": {"op": "path", "at": "$.out"}}
    return parse_blueprint({"id": "b", "agents": list(agents), "flow": flow})


def let_go(pipe):
    """Open and close a pipe that somebody reads."""
    with pipe.open("w"):
        pass


async def pulling(engine, place):
    """A puller's handle, its task and what it told."""
    await there(place / "pid")
    await asyncio.to_thread(let_go, place / "look")
    told = json.loads(await there(place / "told"))
    handle = await there(place / "handle")
    (task,) = engine.ledger.state.tasks.values()
    return handle, task, told


# -- with the engine ---------------------------------------------------------------------------


@in_loop
async def test_a_child_acts_with_its_handle_while_the_attempt_lives(tmp_path):
    async with Engine.open("memory:") as engine:
        run = await engine.start(blueprint(agent(tmp_path, pull=True)), {"n": 1})
        handle, task, told = await pulling(engine, tmp_path)
        assert told["ends"]
        assert told["digest"] == handle_digest(handle) == task.handle
        assert told["env"]["SKEP_HANDLE"] == handle
        assert "SKEP_URL" not in told["env"]
        payload = await engine.fetch_worker_payload(handle, task.id)
        assert (payload.agent, json.loads(payload.prompt)) == ("a", {"n": 1})
        await engine.submit_output(handle, task.id, 1, final({"by": "handle"}))
        await asyncio.to_thread(let_go, tmp_path / "go")
        assert (await run.result())["out"] == {"by": "handle"}
        for late in (
            engine.fetch_worker_payload(handle, task.id),
            engine.submit_output(handle, task.id, 1, final({"by": "nobody"})),
        ):
            with pytest.raises(TokenNotFound):
                await late


@in_loop
async def test_a_hidden_handle_is_seen_by_nobody_else_and_the_url_is_the_hosts(tmp_path):
    async with Engine.open("memory:") as engine:
        engine.worker_url = "http://127.0.0.1:8400"
        run = await engine.start(blueprint(agent(tmp_path, pull=True, hide_handle=True)), {})
        pid, number = (await there(tmp_path / "pid")).split()
        process = Path("/proc", pid)
        with pytest.raises(OSError, match=os.strerror(errno.ENXIO)):
            (process / "fd" / number).open("rb")
        handle, _, told = await pulling(engine, tmp_path)
        for name in ("environ", "cmdline"):
            assert handle.encode() not in (process / name).read_bytes()
        assert set(told["env"]) & PULL == {"SKEP_HANDLE_FD", "SKEP_URL"}
        assert told["env"]["SKEP_URL"] == "http://127.0.0.1:8400"
        await run.cancel()


@in_loop
async def test_no_handle_reaches_the_journal(tmp_path):
    store = tmp_path / "store.db"
    async with Engine.open(f"sqlite:///{store}") as engine:
        run = await engine.start(blueprint(agent(tmp_path, pull=True)), {})
        handle, task, _ = await pulling(engine, tmp_path)
        await engine.submit_output(handle, task.id, 1, final(1))
        await asyncio.to_thread(let_go, tmp_path / "go")
        await run.result()
    data = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if "store.db" in str(path) and path.is_file()
    )
    assert handle_digest(handle).encode() in data
    assert handle.encode() not in data


@in_loop
async def test_the_exit_code_counts_after_a_submitted_result_too(tmp_path):
    async with Engine.open("memory:") as engine:
        run = await engine.start(blueprint(agent(tmp_path, code=3, pull=True)), {})
        handle, task, _ = await pulling(engine, tmp_path)
        await engine.post_result(handle, task.id, "good")
        await asyncio.to_thread(let_go, tmp_path / "go")
        with pytest.raises(RunFailed, match="exit code 3 after its final"):
            await run.result()


# -- what is printed beside a submitted result ---------------------------------------------------


class Submitted(FakeAttempt):
    """An attempt for which a result was submitted while its program ran."""

    def __init__(self, *, ok=True):
        super().__init__()
        self.emit(final("submitted", ok=ok))


def told_here(**options):
    """A program that tells which of the variables it has."""
    code = f"import json, os; print(json.dumps([name for name in os.environ if name in {PULL}]))"
    return ProcessSpawner(sys.executable, ["-c", code], **options)


async def perform(spawner, attempt=None, given=""):
    attempt = attempt or FakeAttempt()
    await (await spawner.spawn(make_ctx(given, channel=attempt))).join()
    return attempt


@in_loop
async def test_without_pull_there_is_none_of_it():
    attempt = await perform(told_here())
    assert attempt.finals == [([], True)]
    assert not told_here().pulls


@in_loop
async def test_a_submitted_result_stands_and_stdout_is_kept():
    attempt = await perform(ProcessSpawner("echo", ["chatter"], pull=True), Submitted())
    assert attempt.finals == [("submitted", True)]
    (kept,) = [event for event in attempt.outputs if isinstance(event, Artifact)]
    assert kept.name == "stdout"
    assert bytes(kept.content.value) == b'"chatter\\n"'


@in_loop
async def test_a_submitted_no_stays_a_result_whatever_the_exit_code():
    attempt = await perform(ProcessSpawner("sh", ["-c", "exit 3"], pull=True), Submitted(ok=False))
    assert attempt.finals == [("submitted", False)]


@pytest.mark.parametrize("mode", [None, *StreamMode])
@in_loop
async def test_a_stream_without_a_final_needs_none_beside_a_submitted_result(mode):
    spawner = ProcessSpawner("true", pull=True, stream_mode=mode)
    assert (await perform(spawner, Submitted())).finals == [("submitted", True)]
    with pytest.raises(WorkerFailed, match="exit code 1 after its final"):
        await perform(ProcessSpawner("false", pull=True, stream_mode=mode), Submitted())


# -- the other forms ---------------------------------------------------------------------------

READS = "import os; print('\"' + os.read(int(os.environ['SKEP_HANDLE_FD']), 99).decode().strip() + '\"')"


@in_loop
async def test_a_template_may_pull():
    spawner = TemplateSpawner(SubprocessDef(name="t", argv=(sys.executable, "-c", READS)), pull=True)
    assert spawner.pulls
    assert (await perform(spawner)).finals == [(HANDLE, True)]


@in_loop
async def test_a_shell_reads_it_as_a_line():
    spawner = ProcessSpawner("bash", ["-c", 'read -r h <&"$SKEP_HANDLE_FD"; echo "$h"'], pull=True)
    ((value, _),) = (await perform(spawner)).finals
    assert value["raw"] == HANDLE


SERVES = """
import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    value = [request.get("handle"), sorted(name for name in os.environ if name.startswith("SKEP_HANDLE"))]
    event = {"id": request["id"], "type": "final", "content": {"kind": "inline", "value": value}}
    print(json.dumps(event), flush=True)
"""


@pytest.mark.parametrize("pull", [True, False])
@in_loop
async def test_a_persistent_program_gets_one_with_each_request(pull):
    class Numbered(FakeAttempt):
        def __init__(self, number):
            super().__init__()
            self.number = number

        def handle(self):
            return f"wh-{self.number:032x}"

    spawner = ProcessSpawner(sys.executable, ["-c", SERVES], persistent=True, pull=pull)
    try:
        answers = [(await perform(spawner, Numbered(number))).finals[0][0] for number in (1, 2)]
    finally:
        await spawner.close()
    assert answers == [[f"wh-{number:032x}" if pull else None, []] for number in (1, 2)]


@in_loop
async def test_no_descriptor_is_left_of_a_program_that_did_not_start():
    def held():
        return len(list(Path("/proc/self/fd").iterdir()))

    spawner = ProcessSpawner("surely-not-installed", pull=True)
    before = held()
    for _ in range(3):
        with pytest.raises(Exception, match="was not found"):
            await perform(spawner)
    assert held() == before


@in_loop
async def test_without_a_descriptor_for_the_handle_the_program_is_not_started(monkeypatch):
    def full():
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(command.socket, "socketpair", full)
        with pytest.raises(SpawnError, match="Too many open files"):
            await perform(ProcessSpawner("true", pull=True))


def test_the_digest_is_the_journals():
    assert handle_digest(HANDLE) == hashlib.sha256(HANDLE.encode()).hexdigest()
