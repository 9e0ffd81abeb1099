from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys

import pytest


def on_a_terminal(skep, *words: str, rows: int = 24, **env: str) -> str:
    """Everything that the program writes to a terminal of 100 columns."""
    master, terminal = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "skep", *words],
        cwd=skep.folder,
        env={**skep.env, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": str(rows), **env},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # Linux says EIO when the last writer has gone
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    child.wait(timeout=30)
    return shown.decode()


def test_a_terminal_sees_a_tree_that_is_drawn_again(skep):
    shown = on_a_terminal(skep, "run", "double.yaml", "--input", "n=4")
    assert "✓" in shown
    assert "\x1b[?25l" in shown, "the cursor is hidden while drawing"
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "and given back"
    assert "done" in shown


def test_a_machine_gets_its_object_on_a_terminal_too(skep):
    read, write = os.pipe()
    with os.fdopen(read) as result:
        child = subprocess.Popen(
            [sys.executable, "-m", "skep", "run", "double.yaml", "--input", "n=4", "--json"],
            cwd=skep.folder,
            env=skep.env,
            stdout=write,
        )
        os.close(write)
        assert result.read().count("\n") == 1
        assert child.wait(timeout=30) == 0


def test_what_a_worker_says_cannot_drive_a_terminal(skep):
    shown = on_a_terminal(skep, "run", "fail.yaml", "--input", "n=4")
    assert "no luck \\x1b[31mred" in shown


def test_a_dumb_terminal_gets_lines(skep):
    shown = on_a_terminal(skep, "run", "double.yaml", "--input", "n=4", TERM="dumb")
    assert "\x1b" not in shown
    assert "a done in" in shown


def test_a_wide_fanout_keeps_to_the_terminals_height(skep):
    items = str(list(range(1_000)))
    shown = on_a_terminal(skep, "run", "wide.yaml", "--input", f"items={items}", rows=10)
    up = [int(lines) for lines in re.findall(r"\x1b\[(\d+)A", shown)]
    assert max(up, default=0) < 10
    assert "1,000 done" in shown


def test_a_pipe_gets_plain_lines(skep):
    done = skep("run", "double.yaml", "--input", "n=4")
    assert "\x1b" not in done.stdout
    lines = [line.split(maxsplit=1)[1] for line in done.stdout.splitlines()[:3]]
    assert lines[0].endswith("of chain started")
    assert lines[1] == "a started"
    assert lines[2].startswith("a done in")


@pytest.mark.parametrize("words", [("events",), ("ps",)])
def test_a_reader_that_leaves_early_is_no_error(skep, words):
    run = skep.json("run", "double.yaml", "--input", "n=1")["run_id"]
    arguments = [*words, run] if words == ("events",) else [*words]
    read, write = os.pipe()
    os.close(read)
    child = skep.start(*arguments, stdout=write)
    os.close(write)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")


def test_a_run_goes_on_when_its_reader_leaves(skep):
    read, write = os.pipe()
    os.close(read)
    child = skep.start("run", "double.yaml", "--input", "n=1", stdout=write)
    os.close(write)
    _, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (0, "")
    assert skep.json("ps")["runs"][0]["status"] == "done"


def test_show_draws_the_tree_of_a_run_that_has_ended(skep):
    run = skep.json("run", "double.yaml", "--input", "n=4")["run_id"]
    shown = skep("show", run).stdout
    assert "✓ a" in shown
    assert "✓ done" in shown
    assert "n  8" in shown


@pytest.mark.parametrize("target", [">/dev/full", ">&-", "<&- >&-"])
@pytest.mark.parametrize("words", ["run double.yaml --input n=1", "run double.yaml --input n=1 --json", "ps"])
def test_output_that_cannot_be_written_is_one_named_error_and_the_run_goes_on(skep, words, target):
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m skep {words} {target}"],
        cwd=skep.folder,
        env=skep.env,
        stderr=subprocess.PIPE,
        text=True,
        timeout=30,
        check=False,
    )
    (line,) = done.stderr.splitlines()
    assert "E-OUTPUT stdout cannot be written" in line
    assert done.returncode == 1
    if words != "ps":
        assert skep.json("ps")["runs"][0]["status"] == "done"


def test_a_run_outlives_its_terminal(skep):
    master, terminal = pty.openpty()
    child = skep.start("run", "hang.yaml", "--input", "n=1", stdout=terminal)
    os.close(terminal)
    skep.wait_for("hanging")
    os.close(master)
    child.send_signal(signal.SIGTERM)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130, err
    assert "E-OUTPUT" in err
    assert "Traceback" not in err
