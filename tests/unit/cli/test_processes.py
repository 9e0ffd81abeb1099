from __future__ import annotations

import os
import subprocess
import sys

from skep.cli.processes import descendants

SHOW_CHILD = (
    "import subprocess, sys; p = subprocess.Popen(['cat'], stdin=0); print(p.pid, flush=True); p.wait()"
)


def test_grandchildren_are_descendants():
    with subprocess.Popen(
        [sys.executable, "-c", SHOW_CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        grandchild = int(child.stdout.readline())
        found = descendants(os.getpid())
        child.stdin.close()
        child.wait()
    assert found.index(child.pid) < found.index(grandchild)


def test_nobody_else_is():
    assert os.getppid() not in descendants(os.getpid())
