"""Signals before a command has begun, and to the demo, which has children and a folder of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from skep.cli import processes

INTERRUPTED = """
import os, signal, sys
from skep.cli import main

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.modules.pop(sys.argv[1], None)
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    "module", ["signal", "skep.cli.interrupts", "skep.cli.leaving", "typer", "skep.cli.app", "skep.host"]
)
def test_ctrl_c_while_a_module_is_imported_ends_with_130_and_one_line(skep, module):
    command = [sys.executable, "-c", INTERRUPTED, module, "ps", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=skep.env, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (130, "skep: cancelled\n" if module != "signal" else "")
    if module != "signal":
        assert json.loads(done.stdout) == {
            "run_id": None,
            "status": "cancelled",
            "result": None,
            "error": {"code": "E-STOPPED", "message": "cancelled", "where": None, "fix": None},
            "stats": {},
        }


def test_ctrl_c_while_importing_with_nobody_to_tell(skep):
    command = [sys.executable, "-c", INTERRUPTED, "typer", "ps", "--json"]
    done = subprocess.run(
        ["/bin/sh", "-c", '"$@" >&- 2>&-', "sh", *command], env=skep.env, check=False, timeout=60
    )
    assert done.returncode == 130


def started(skep):
    """A demo whose first host is at work."""
    demo = skep.start("demo")
    until(lambda: list(skep.temporary.glob("*/effects.txt")) or demo.poll() is not None)
    assert demo.poll() is None
    return demo


def until(happened):
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def asked_to_end(pid):
    """Whether a SIGTERM waits for a stopped process."""
    (pending,) = re.findall(r"^ShdPnd:\s*(\w+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(pending, 16) >> (signal.SIGTERM - 1) & 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_ended_leaves_no_process_and_no_folder(skep, number):
    demo = started(skep)
    hosts = processes.descendants(demo.pid)
    assert hosts
    demo.send_signal(number)
    _, complaint = demo.communicate(timeout=60)
    assert (demo.returncode, list(skep.temporary.iterdir())) == (130, [])
    assert "Traceback" not in complaint
    assert all(skep.ended(pid) for pid in hosts)
    (run,) = skep.json("ps")["runs"]
    assert run["status"] == "cancelled", "its host was asked, not killed"


@pytest.mark.slow
def test_a_second_signal_ends_a_demo_whose_host_does_not_answer(skep):
    demo = started(skep)
    (host,) = processes.descendants(demo.pid)
    os.kill(host, signal.SIGSTOP)
    demo.send_signal(signal.SIGTERM)
    until(lambda: asked_to_end(host))
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=60)
    assert (demo.returncode, list(skep.temporary.iterdir())) == (130, [])
    assert skep.ended(host)
