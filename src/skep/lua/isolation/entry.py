"""How a script's process begins: its descriptors, what it makes ready, and what it then gives up for good."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TypeVar

from skep.lua.isolation.frames import MOST, FrameReader, framed
from skep.lua.isolation.hardening import harden
from skep.lua.isolation.lifeline import hold
from skep.lua.isolation.messages import Broken, Ready, encoded, start_of
from skep.lua.limits import Limits

SOCKET, LIFELINE, NOWHERE = 0, 1, 2
_CHUNK = 64 * 1024
_OF_THE_SYSTEM = "/proc/self/oom_score_adj"

T = TypeVar("T")


class Wire:
    """Frames over the socket, one after another; its end is the end of this process."""

    def __init__(self) -> None:
        self._reader = FrameReader(MOST)
        self._frames: list[bytes] = []

    def read(self) -> bytes:
        """The next frame, when it is there."""
        while not self._frames:
            chunk = os.read(SOCKET, _CHUNK)
            if not chunk:
                os._exit(0)
            self._frames = self._reader.feed(chunk)
        return self._frames.pop(0)

    def write(self, data: bytes) -> None:
        """Send a frame, all of it."""
        left = memoryview(framed(data))
        while left:
            left = left[os.write(SOCKET, left) :]


def enter(make_ready: Callable[[Limits], T]) -> tuple[Wire, T]:
    """Make ready what needs files, then give up everything; the host is told which walls now stand.

    Whatever goes wrong is told to the host too and ends the process.
    """
    wire = Wire()
    hold(LIFELINE)
    signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # a handler of Python's would have to run; and seccomp forbids more
    try:
        start = start_of(wire.read())
        made = make_ready(start.limits)
        _offer_to_the_oom_killer()
        os.close(NOWHERE)
        wire.write(encoded(Ready(harden(start.memory, start.cpu))))
    except Exception as error:  # noqa: BLE001 - told to the host
        wire.write(encoded(Broken(f"{type(error).__name__}: {error}")))
        os._exit(1)
    return wire, made


def _offer_to_the_oom_killer() -> None:
    """A machine without memory loses this process before any other (Linux)."""
    if os.path.exists(_OF_THE_SYSTEM):  # noqa: PTH110 - pathlib is not loaded here
        with open(_OF_THE_SYSTEM, "w") as file:  # noqa: PTH123
            file.write("1000")
