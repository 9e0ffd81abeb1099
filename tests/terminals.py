"""The program on a terminal, driven by what it shows."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys

LAUNCH = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "skep", *sys.argv[1:]])
"""
PATIENCE = 60
PROMPT = "> "
CTRL_C, CTRL_D = "\x03", "\x04"


class Terminal:
    """The program on a terminal of its own, as the foreground job of its session."""

    def __init__(self, skep, *words, **env):
        self.master, terminal = pty.openpty()
        self.child = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *words],
            cwd=skep.folder,
            env={**skep.env, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30", **env},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        self.shown = ""
        self._read_to = 0

    def until(self, text):
        """Read on until `text` is shown; returns what came before it since the last time."""
        while (at := self.shown.find(text, self._read_to)) < 0:
            assert self._more(), f"{text!r} never came: {self.shown}"
        before = self.shown[self._read_to : at]
        self._read_to = at + len(text)
        return before

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        """Read to the end; the exit code and everything since the last `until`."""
        while self._more():
            pass
        os.close(self.master)
        return self.child.wait(timeout=30), self.shown[self._read_to :]

    def _more(self):
        ready, _, _ = select.select([self.master], [], [], PATIENCE)
        assert ready, f"nothing came for {PATIENCE} s: {self.shown[-2_000:]}"
        try:
            piece = os.read(self.master, 65536)
        except OSError:  # Linux says EIO when the last writer has gone
            piece = b""
        self.shown += piece.decode()
        return bool(piece)

    def kill(self):
        """End it, if it has not."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
