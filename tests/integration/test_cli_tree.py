"""The program is the subreaper of what it starts: however it ends, nothing that a worker started goes on."""

from __future__ import annotations

import json
import signal
import sys

from escaping import ESCAPES, alive, escaping, gone, pid_in, until


def running(skep, tmp_path):
    """A run whose workers let a process of each kind get away, and then wait until there is `go`."""
    paths = [tmp_path / f"pid{number}" for number in range(len(ESCAPES))]
    wait = f"while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)\nprint(1)"
    agents, branches = [], {}
    for number, (way, path) in enumerate(zip(ESCAPES, paths, strict=True)):
        spec = {"program": sys.executable, "args": ["-c", escaping(way, path, wait)]}
        agents.append({"name": f"a{number}", "kind": "subprocess", "spec": spec})
        branches[f"b{number}"] = {"step": f"a{number}", "in": "$", "out": "$.found"}
    flow = {"parallel": branches, "join": "all", "out": "$.all", "select": "$.found"}
    skep.write("tree.json", json.dumps({"id": "tree", "agents": agents, "flow": flow}))
    host = skep.start("run", "tree.json")
    return host, paths, [pid_in(path) for path in paths]


def test_kill_minus_9_leaves_nothing_and_resume_goes_on(skep, tmp_path):
    host, paths, escaped = running(skep, tmp_path)
    host.kill()
    host.communicate(timeout=60)
    assert all(gone(pid) for pid in escaped)
    for path in paths:
        path.unlink()
    (tmp_path / "go").touch()
    (run,) = skep.json("ps")["runs"]
    found = skep.json("resume", run["run_id"])
    assert found["status"] == "done"
    assert not any(alive(pid_in(path)) for path in paths)


def test_ctrl_c_leaves_nothing(skep, tmp_path):
    host, _, escaped = running(skep, tmp_path)
    host.send_signal(signal.SIGINT)
    host.communicate(timeout=60)
    assert not any(alive(pid) for pid in escaped)


def test_ctrl_c_again_and_again_leaves_nothing(skep, tmp_path):
    host, _, escaped = running(skep, tmp_path)
    assert until(lambda: host.send_signal(signal.SIGINT) or host.poll() is not None)
    host.communicate(timeout=60)
    assert all(gone(pid) for pid in escaped)
