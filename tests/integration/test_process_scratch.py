"""What an attempt's program is given: a folder of its own, limits, an environment; and what is left of five hundred."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import threading
from pathlib import Path

import pytest

from skep import Engine, load_blueprint
from skep.errors import SkepError, SpawnError, WorkerFailed
from skep.flow.process_limits import ProcessLimits
from skep.testing.aio import in_loop
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.process import launch
from skep.workers.process.command import start
from skep.workers.process.spawner import ProcessSpawner
from skep.workers.process.tree import procfs
from skep.workers.process.tree.records import KEPT
from skep.workers.process.tree.registry import registry


async def perform(spawner, **fields):
    attempt = FakeAttempt()
    worker = await spawner.spawn(make_ctx("", channel=attempt, **fields))
    await worker.join()
    return attempt


async def value(spawner, **fields):
    ((result, _),) = (await perform(spawner, **fields)).finals
    return result


def sh(code, **options):
    return ProcessSpawner("sh", ["-c", code], **options)


def python(code, **options):
    return ProcessSpawner(sys.executable, ["-c", code], **options)


def names():
    """What lies in the folder of this host."""
    return {entry.name for entry in Path(registry().records.folder).iterdir()}


def descriptors():
    return len([*Path("/proc/self/fd").iterdir()])


def there(paths):
    return [path for path in paths if Path(path).exists()]


# -- scratch -----------------------------------------------------------------------------------


@in_loop
async def test_each_attempt_has_a_folder_of_its_own_until_it_has_ended():
    code = 'cd "$SKEP_SCRATCH"; [ "$TMPDIR" = "$SKEP_SCRATCH" ]; mkdir a; ln -s / a/root; echo x > a/f; chmod 0 a; pwd'
    attempts = await asyncio.gather(*(perform(sh(code)) for _ in range(3)))
    folders = {attempt.finals[0][0]["raw"] for attempt in attempts}
    assert len(folders) == 3
    assert folders == {attempt.folders[0] for attempt in attempts}
    assert there([*folders, "/bin"]) == ["/bin"]


@in_loop
async def test_a_folder_that_is_used_again_is_empty_and_as_it_was_made():
    left = (
        sh('echo x > "$SKEP_SCRATCH/.hidden"'),
        sh('chmod 755 "$SKEP_SCRATCH"'),
        sh('rmdir "$SKEP_SCRATCH"'),
    )
    for spoilt in (*left, sh("true")):
        await perform(spoilt)
        found = await value(sh('ls -A "$SKEP_SCRATCH"; stat -c %a "$SKEP_SCRATCH"'))
        assert found == 700


@in_loop
async def test_nobody_else_may_look_into_it():
    assert await value(sh('stat -c %a "$SKEP_SCRATCH"')) == 700


WRITES = """
import json, os
path = os.path.join(os.environ["SKEP_SCRATCH"], "out")
open(path, "w").write("data")
print(json.dumps({"type": "final", "content": {"kind": "file_ref", "path": path}, "ok": True}))
"""


@in_loop
async def test_its_files_can_be_the_result(tmp_path):
    spec = {"program": sys.executable, "args": ["-c", WRITES], "stream_mode": "ndjson_lines"}
    document = {
        "id": "files",
        "agents": [{"name": "writer", "kind": "subprocess", "spec": spec}],
        "flow": {"step": "writer", "in": "$", "out": "$.found"},
    }
    path = tmp_path / "files.json"
    path.write_text(json.dumps(document))
    async with Engine.open(f"sqlite:///{tmp_path}/store.db") as engine:
        found = (await (await engine.start(load_blueprint(path))).result())["found"]
    assert found["file_ref"].endswith("/out")
    digests = [entry.name for entry in tmp_path.rglob("*") if entry.is_file() and _text(entry) == "data"]
    assert len(digests) == 1


def _text(path):
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return None


@in_loop
async def test_no_folder_is_left_of_a_program_that_did_not_start():
    await perform(sh("true"))
    before = names()
    for _ in range(3):
        with pytest.raises(SpawnError):
            await perform(ProcessSpawner("surely-not-installed"))
    assert names() == before


# -- limits ------------------------------------------------------------------------------------


@in_loop
async def test_open_files_are_limited_for_all_that_it_starts():
    limited = ProcessLimits(open_files=32)
    code = "import time, subprocess; time.sleep(0.3); subprocess.run(['sh', '-c', 'ulimit -n'])"
    assert await value(python(code, limits=limited)) == 32


@in_loop
async def test_memory_is_limited():
    code = "import time; time.sleep(0.3)\ntry: bytearray(1 << 30); print(1)\nexcept MemoryError: print('\"refused\"')"
    assert await value(python(code, limits=ProcessLimits(memory=512 << 20))) == "refused"


@in_loop
async def test_cpu_time_is_limited():
    with pytest.raises(WorkerFailed, match=r"SIGXCPU|SIGKILL"):
        await perform(python("while True: pass", limits=ProcessLimits(cpu_seconds=1)))


@in_loop
async def test_what_it_has_started_before_its_limits_is_limited_too(monkeypatch, tmp_path):
    def busy(command):
        begun = start(command)
        while len(procfs.children(begun.pid)) < 1:  # as if the host had been kept from going on
            pass
        return begun

    monkeypatch.setattr(launch, "start", busy)
    wait = f"until [ -e {tmp_path}/limited ]; do :; done"
    spawner = sh(f"({wait}; ulimit -n) & {wait}; wait", limits=ProcessLimits(open_files=32))
    attempt = FakeAttempt()
    worker = await spawner.spawn(make_ctx("", channel=attempt))
    (tmp_path / "limited").touch()
    await worker.join()
    assert attempt.finals == [(32, True)]


@in_loop
@pytest.mark.parametrize("persistent", [False, True])
async def test_a_program_that_cannot_be_limited_does_not_run(monkeypatch, persistent):
    def refused(*_):
        raise PermissionError

    await perform(sh("true"))
    before = descriptors()
    monkeypatch.setattr(resource, "prlimit", refused)
    with pytest.raises(SkepError, match="runs as another user"):
        await perform(sh("sleep 60", limits=ProcessLimits(open_files=32), persistent=persistent))
    while procfs.children(os.getpid()) != [registry().guardian]:
        await asyncio.sleep(0)
    assert descriptors() == before


@in_loop
async def test_a_limit_above_the_hosts_own_is_the_hosts():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    code = "import time, resource; time.sleep(0.3); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    assert await value(python(code, limits=ProcessLimits(open_files=2**40))) == hard


# -- many --------------------------------------------------------------------------------------


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def held():
    """Descriptors, and threads but for the one that tidies up from time to time."""
    threads = [thread for thread in threading.enumerate() if not isinstance(thread, threading.Timer)]
    return descriptors(), len(threads)


@in_loop
async def test_five_hundred_at_once_leave_nothing():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    try:
        await asyncio.gather(*(perform(ProcessSpawner("true")) for _ in range(500)))
        (files, threads), memory = held(), resident()
        for _ in range(2):
            await asyncio.gather(*(perform(ProcessSpawner("true")) for _ in range(500)))
        files_after, threads_after = held()
        assert files_after == files
        assert threads_after <= threads  # those that other tests left idle may have ended
        assert resident() - memory < 8 << 20
        assert len(names()) <= KEPT + 1
        assert registry().live == {}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
