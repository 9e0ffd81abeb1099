from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest


def test_done_is_0(skep):
    done = skep("run", "double.yaml", "--input", "n=4")
    assert done.returncode == 0, done.stderr
    assert "8" in done.stdout


def test_failed_is_1_in_one_line(skep):
    done = skep("run", "fail.yaml", "--input", "n=4")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no luck \\x1b[31mred" in line
    assert "Traceback" not in done.stdout


def test_a_worker_that_wants_to_end_the_program_fails_its_step_only(skep):
    done = skep("run", "leave.yaml", "--input", "n=4")
    assert done.returncode == 1
    assert "wanted to leave" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("run", "none.yaml"),
        ("run", "double.yaml", "--input", "n"),
        ("run", "double.yaml", "--input-json", "none.json"),
        ("run", "double.yaml", "--work-dir", "none"),
        ("run", "double.yaml", "--store", "mysql://x"),
        ("run", "double.yaml", "--timeout", "0"),
        ("run", "double.yaml", "--timeout", "1e400"),
        ("run", "double.yaml", "--nonsense"),
        ("run",),
        ("show", "run-none"),
        ("events", "run-none"),
        ("resume", "run-none"),
        ("lint", "none.yaml"),
        ("nonsense",),
        ("new", "../Not A Name"),
    ],
)
def test_unusable_input_is_2_in_one_line_with_nothing_done(skep, words):
    done = skep(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("skep: ")
    assert "(" in line, "the remedy"


@pytest.mark.parametrize("agent", ["hang", pytest.param("hang_in_thread", marks=pytest.mark.slow)])
def test_timeout_is_3(skep, agent):
    done = skep("run", f"{agent}.yaml", "--input", "n=1", "--timeout", "0.5", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["status"] == "timeout"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_cancels_waits_for_the_workers_and_is_130(skep, number):
    program = skep.write("sleep.yaml", SLEEPING_PROGRAM)
    child = skep.start("run", program)
    skep.wait_for("pid")
    worker = int(skep.lines("pid")[0])
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130, err
    assert "cancelling" in out
    assert skep.ended(worker)
    (run,) = skep.json("ps")["runs"]
    assert run["status"] == "cancelled"


def test_a_second_signal_stops_hard_and_leaves_no_worker(skep):
    program = skep.write("deaf.yaml", DEAF_PROGRAM)
    child = skep.start("run", program)
    skep.wait_for("pid")
    worker = int(skep.lines("pid")[0])
    child.send_signal(signal.SIGINT)
    assert child.stdout is not None
    while "cancelling" not in child.stdout.readline():
        pass
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=10)
    assert child.returncode == 130
    assert "stopped hard" in err
    assert skep.ended(worker)


SLEEPING_PROGRAM = """\
id: sleeping
agents:
  a: {kind: subprocess, spec: {program: sh, args: ["-c", "echo $$ > p; mv p pid; exec sleep 3600"]}}
flow: {step: a, in: null, out: $.x}
"""
DEAF_PROGRAM = SLEEPING_PROGRAM.replace("echo", "trap '' TERM INT; echo").replace(
    "exec sleep 3600", "while :; do sleep 1; done"
)


def test_traceback_shows_all(skep):
    done = skep("--traceback", "run", "none.yaml")
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert "Traceback" in skep("run", "none.yaml", "--traceback").stderr


BUSY = """
import pathlib, time


async def busy(n: int) -> int:
    pathlib.Path("hanging").write_text("")
    while True:
        time.sleep(0.01)
"""


def start_busy(skep, *words):
    """A run whose worker never lets the event loop go."""
    skep.write("busy.py", BUSY)
    skep.write("busy.yaml", "id: b\nagents: {a: busy:busy}\nflow: {step: a, in: {n: 1}, out: $.n}\n")
    child = skep.start("run", "busy.yaml", "--json", *words)
    skep.wait_for("hanging")
    return child


def test_two_signals_end_a_program_whose_loop_is_held(skep):
    child = start_busy(skep)
    child.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=0.3)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=10)
    assert child.returncode == 130
    (line,) = err.splitlines()
    assert "stopped hard" in line
    assert json.loads(out)["status"] == "interrupted"


def test_a_timeout_ends_a_program_whose_loop_is_held(skep):
    out, err = start_busy(skep, "--timeout", "0.2").communicate(timeout=20)
    assert "holds the event loop" in err
    assert json.loads(out)["status"] == "interrupted"
    assert skep.children[-1].returncode == 3


def test_ctrl_c_before_there_is_a_run_is_130_in_one_line(skep):
    child = skep.start("run", "double.yaml", "--json", "--input-json", "-", stdin=subprocess.PIPE)
    caught = Path(f"/proc/{child.pid}/status")
    while int(caught.read_text().partition("SigCgt:")[2].split()[0], 16) & 0x4003 != 0x4003:
        assert child.poll() is None
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=10)
    assert (child.returncode, err) == (130, "skep: cancelled\n")
    assert json.loads(out)["status"] == "cancelled"


def test_nohup_outlives_its_terminal(skep):
    command = f"trap '' HUP; exec {sys.executable} -m skep run hang.yaml --input n=1 --timeout 1"
    child = subprocess.Popen(["sh", "-c", command], cwd=skep.folder, env=skep.env, stdout=subprocess.DEVNULL)
    skep.wait_for("hanging")
    child.send_signal(signal.SIGHUP)
    assert child.wait(timeout=20) == 3
