from __future__ import annotations

import json
import signal
from collections import Counter


def killed_in_the_middle(skep) -> str:
    """A run of three finished lanes and one in flight whose host was killed; returns its id."""
    host = skep.start("run", "once.yaml", "--input", "items=[0,1,2,3,4,5]", "--durability", "step")
    skep.wait_for("hanging")
    host.send_signal(signal.SIGKILL)
    host.communicate()
    (run,) = skep.json("ps")["runs"]
    assert run["status"] == "interrupted"
    return run["run_id"]


def test_kill_minus_9_then_resume_runs_no_finished_step_again(skep):
    run = killed_in_the_middle(skep)
    skep.write("go", "")
    found = skep.json("resume", run)
    assert (found["run_id"], found["status"]) == (run, "done")
    assert found["result"]["done"] == [0, 1, 2, 3, 4, 5]
    assert Counter(skep.lines("effects")) == {"0": 1, "1": 1, "2": 1, "3": 2, "4": 1, "5": 1}
    kinds = Counter(json.loads(line)["kind"] for line in skep("events", run, "--json").stdout.splitlines())
    assert (kinds["run_recovered"], kinds["task_attempt_interrupted"]) == (1, 1)
    assert skep.json("show", run) == found


def test_resume_shows_only_what_happens_from_then_on(skep):
    run = killed_in_the_middle(skep)
    skep.write("go", "")
    text = skep("resume", run).stdout
    assert "goes on" in text
    assert "lanes[4] a done" in text
    assert "lanes[0] a" not in text


def test_run_names_what_was_interrupted_and_leaves_it_alone(skep):
    run = killed_in_the_middle(skep)
    done = skep("run", "double.yaml", "--input", "n=1")
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert run in line
    assert f"skep resume {run}" in line
    assert skep.json("show", run)["status"] == "interrupted"


def test_what_has_ended_is_not_resumed(skep):
    run = skep.json("run", "double.yaml", "--input", "n=1")["run_id"]
    done = skep("resume", run)
    assert done.returncode == 2
    assert f"(skep show {run})" in done.stderr


def test_ps_during_a_run_shows_it_and_a_second_run_goes_beside_it(skep):
    host = skep.start("run", "once.yaml", "--input", "items=[1,2,3]")
    skep.wait_for("hanging")
    (run,) = skep.json("ps")["runs"]
    assert run["status"] == "running"
    assert skep.json("run", "double.yaml", "--input", "n=2")["status"] == "done"
    owned = skep("resume", run["run_id"])
    assert owned.returncode == 2
    assert owned.stderr.startswith("skep: E-RUN-OWNED")
    assert host.poll() is None
    assert skep.json("show", run["run_id"])["status"] == "running"


def test_two_runs_on_one_store_at_once(skep):
    items = json.dumps(list(range(200)))
    hosts = [skep.start("run", "wide.yaml", "--input", f"items={items}", "--json") for _ in range(2)]
    results = [json.loads(host.communicate(timeout=60)[0])["result"]["n"] for host in hosts]
    assert results == [[2 * n for n in range(200)]] * 2
    assert len(skep.json("ps")["runs"]) == 2
