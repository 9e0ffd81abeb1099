"""Nothing that an attempt started outlives it, and nothing else is touched (R-tree)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from escaping import ESCAPES, alive, escaping, gone, host, pid_in, told, until

LEAVING = """
async def main():
    if sys.argv[1] == "subreaper":
        assert adopt_orphans()
    finals = await perform(sys.argv[2])
    print(json.dumps([finals, own_children()]))
asyncio.run(main())
"""


@pytest.mark.parametrize("way", ESCAPES)
@pytest.mark.parametrize("mode", ["subreaper", "library"])
def test_what_got_away_ends_with_the_attempt(tmp_path, mode, way):
    path = tmp_path / "pid"
    finals, children = json.loads(told(host(LEAVING, tmp_path, mode, escaping(way, path))))
    assert finals == [[[1], True]]
    assert children == []
    assert not alive(pid_in(path))


@pytest.mark.parametrize("way", ["setsid", "double fork"])
def test_where_there_is_no_brand_the_marker_tells(tmp_path, way):
    code = """
async def main():
    resource.setrlimit(10, (1000, 1000))  # RLIMIT_LOCKS: too few brands lie below it
    assert adopt_orphans()
    own = subprocess.Popen(["sh", "-c", "exit 7"])
    await perform(sys.argv[1])
    alive = [pid for pid in own_children() if not procfs.look(pid).ended]
    print(json.dumps([alive, own.wait()]))
asyncio.run(main())
"""
    assert json.loads(told(host(code, tmp_path, escaping(way, tmp_path / "pid")))) == [[], 7]


CANCELLING = """
async def main():
    if sys.argv[1] == "subreaper":
        assert adopt_orphans()
    ctx, attempt, worker = await begin(sys.argv[2], grace=float(sys.argv[4]))
    while not os.path.exists(sys.argv[3]):
        await asyncio.sleep(0.01)
    began = time.monotonic()
    ctx.cancel_token.cancel("enough")
    try:
        await worker.join()
    except Exception as error:
        print(json.dumps([str(error), time.monotonic() - began, own_children()]))
asyncio.run(main())
"""


@pytest.mark.parametrize("way", ESCAPES)
@pytest.mark.parametrize("mode", ["subreaper", "library"])
def test_cancel_reaches_what_got_away(tmp_path, mode, way):
    path = tmp_path / "pid"
    code = escaping(way, path, "time.sleep(120)")
    error, took, children = json.loads(told(host(CANCELLING, tmp_path, mode, code, path, 0.3)))
    assert "enough" in error
    assert took < 20
    assert children == []
    assert not alive(pid_in(path))


@pytest.mark.parametrize("mode", ["subreaper", "library"])
def test_cancel_asks_what_got_away_first_and_lets_it_have_the_grace(tmp_path, mode):
    path, last = tmp_path / "pid", tmp_path / "last"
    polite = f"""
def end(*_):
    time.sleep(0.3)
    open({str(last)!r}, "w").write("orderly")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
"""
    code = escaping("double fork", path, "time.sleep(120)").replace(
        "if daemon(): stay(PATH)", f"if daemon():\n    exec({polite!r})\n    stay(PATH)"
    )
    _, took, _ = json.loads(told(host(CANCELLING, tmp_path, mode, code, path, 60)))
    assert last.read_text() == "orderly"
    assert took < 30


# -- who must live -----------------------------------------------------------------------------

BESIDE = """
async def main():
    if sys.argv[1] == "subreaper":
        assert adopt_orphans()
    _, _, other = await begin(sys.argv[2])
    while not os.path.exists(sys.argv[3]):
        await asyncio.sleep(0.01)
    for _ in range(3):
        await perform("print(1)")
    registry().sweep_ended()
    print(procfs.look(int(open(sys.argv[3]).read())) is not None, flush=True)
    sys.stdin.readline()
asyncio.run(main())
"""


@pytest.mark.parametrize("way", ["double fork", "daemon without environment"])
@pytest.mark.parametrize("mode", ["subreaper", "library"])
def test_another_attempts_processes_live_as_long_as_that_does(tmp_path, mode, way):
    path = tmp_path / "pid"
    code = escaping(way, path, "time.sleep(120)")
    process = host(BESIDE, tmp_path, mode, code, path, stdin=subprocess.PIPE)
    assert process.stdout.readline() == "True\n"
    assert alive(pid_in(path))
    process.communicate("\n", timeout=60)
    assert gone(pid_in(path))


def test_a_shell_with_an_old_marker_lives(tmp_path):
    old = "0123456789abcdef" * 2
    with subprocess.Popen(["sleep", "120"], env={"SKEP_MARKER": old, "PATH": os.environ["PATH"]}) as shell:
        try:
            for mode in ("subreaper", "library"):
                told(host(LEAVING, tmp_path, mode, escaping("setsid", tmp_path / mode)))
            assert alive(shell.pid)
        finally:
            shell.kill()


OWN = """
async def main():
    assert adopt_orphans()
    own = subprocess.Popen(["sleep", "120"])
    code = "import subprocess; p = subprocess.Popen(['sleep', '120'], start_new_session=True, stdout=-3); print(p.pid)"
    orphan = int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE).stdout)
    ended = subprocess.Popen(["sh", "-c", "exit 7"])
    await perform(sys.argv[1])
    await perform("print(1)")
    registry().reap_adopted()
    registry().sweep_ended()
    found = procfs.look(orphan)
    print(json.dumps([own.poll(), found.parent == os.getpid(), found.state, ended.wait()]))
    own.kill(); os.kill(orphan, 9)
asyncio.run(main())
"""


def test_a_library_users_own_children_and_their_orphans_are_left_alone(tmp_path):
    code = escaping("daemon without environment", tmp_path / "pid")
    own, adopted, state, ended = json.loads(told(host(OWN, tmp_path, code)))
    assert own is None
    assert adopted
    assert state == "S"
    assert ended == 7
    assert not alive(pid_in(tmp_path / "pid"))


REAPING = """
async def main():
    assert adopt_orphans()
    ctx, _, worker = await begin(sys.argv[1], grace=0.1)
    while not os.path.exists(sys.argv[2]):
        await asyncio.sleep(0.01)
    orphan = int(open(sys.argv[2]).read())
    os.kill(orphan, 9)
    while (found := procfs.look(orphan)) is not None and not found.ended:
        await asyncio.sleep(0.01)
    before = own_children()
    registry().reap_adopted()
    print(orphan in before, orphan in own_children(), len(own_children()))
    ctx.cancel_token.cancel("enough")
    try:
        await worker.join()
    except Exception:
        pass
asyncio.run(main())
"""


def test_orphans_of_an_attempt_that_goes_on_are_reaped(tmp_path):
    path = tmp_path / "pid"
    process = host(REAPING, tmp_path, escaping("double fork", path, "time.sleep(120)"), path)
    assert told(process) == "True False 1\n"


# -- the host dies -----------------------------------------------------------------------------

DYING = """
async def main():
    if sys.argv[1] == "subreaper":
        assert adopt_orphans()
    for code in sys.argv[3:]:
        await begin(code)
    print(registry().guardian, flush=True)
    await asyncio.sleep(120)
asyncio.run(main())
"""


def dying(tmp_path, mode):
    """A host with an escape of each kind: the process, its guardian, and who got away."""
    paths = [tmp_path / str(number) for number in range(len(ESCAPES))]
    codes = [escaping(way, path, "time.sleep(120)") for way, path in zip(ESCAPES, paths, strict=True)]
    process = host(DYING, tmp_path, mode, "-", *codes)
    guardian = int(process.stdout.readline())
    return process, guardian, [pid_in(path) for path in paths]


@pytest.mark.parametrize("mode", ["subreaper", "library"])
def test_nothing_survives_a_host_that_is_killed(tmp_path, mode):
    process, guardian, escaped = dying(tmp_path, mode)
    leaders = [
        int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ]
    process.kill()
    process.communicate(timeout=60)
    assert all(gone(pid) for pid in escaped)
    assert all(gone(pid) for pid in leaders)
    assert gone(guardian)
    assert until(lambda: [entry.name for entry in (tmp_path / f"skep-{os.getuid()}").iterdir()] == ["lock"])


def test_what_survives_host_and_guardian_ends_when_the_next_host_starts(tmp_path):
    process, guardian, escaped = dying(tmp_path, "library")
    os.kill(guardian, signal.SIGKILL)
    process.kill()
    process.communicate(timeout=60)
    assert gone(guardian)
    assert all(alive(pid) for pid in escaped)
    told(host("from skep.workers.process.tree.registry import sweep_leftovers\nsweep_leftovers()", tmp_path))
    assert not any(alive(pid) for pid in escaped)
    assert [entry.name for entry in (tmp_path / f"skep-{os.getuid()}").iterdir()] == ["lock"]


def test_a_sweep_leaves_a_living_hosts_attempts_alone(tmp_path):
    process, guardian, escaped = dying(tmp_path, "library")
    told(host(LEAVING, tmp_path, "library", "print('[1]')"))
    assert all(alive(pid) for pid in escaped)
    assert alive(guardian)
    process.kill()
    process.communicate(timeout=60)
    assert all(gone(pid) for pid in escaped)


RESTARTED = """
async def main():
    await perform("print(1)")
    first = registry().guardian
    os.kill(first, 9)
    while not (found := procfs.look(first)) or not found.ended:
        time.sleep(0.01)
    await perform("print(1)")
    print(first != registry().guardian and procfs.look(registry().guardian) is not None)
asyncio.run(main())
"""


def test_a_guardian_that_was_killed_is_replaced(tmp_path):
    assert told(host(RESTARTED, tmp_path, stderr=subprocess.DEVNULL)) == "True\n"


FORKING = """
async def main():
    await begin(sys.argv[1])
    while not os.path.exists(sys.argv[2]):
        await asyncio.sleep(0.01)
    if not os.fork():
        os.close(1)
        time.sleep(120)
        os._exit(0)
    print("ready", flush=True)
    time.sleep(120)
asyncio.run(main())
"""


def test_a_fork_of_the_host_does_not_keep_the_guardian_waiting(tmp_path):
    path = tmp_path / "pid"
    process = host(
        FORKING, tmp_path, escaping("double fork", path, "time.sleep(120)"), path, start_new_session=True
    )
    assert process.stdout.readline() == "ready\n"
    group = os.getpgid(process.pid)
    process.kill()
    process.wait(timeout=60)
    try:
        assert gone(pid_in(path))
    finally:
        os.killpg(group, signal.SIGKILL)
        process.stdout.close()


def test_a_cleaned_temporary_folder_is_made_again(tmp_path):
    code = """
import shutil
async def main():
    await perform("print(1)")
    shutil.rmtree(registry().records.folder)
    print(await perform("print('[1]')"))
asyncio.run(main())
"""
    assert told(host(code, tmp_path)) == "[([1], True)]\n"


def test_a_base_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / f"skep-{os.getuid()}").symlink_to(tmp_path)
    code = """
from skep.errors import SpawnError
async def main():
    try:
        await perform("print(1)")
    except SpawnError as error:
        print(error)
asyncio.run(main())
"""
    assert "not a folder of ours alone" in told(host(code, tmp_path))
