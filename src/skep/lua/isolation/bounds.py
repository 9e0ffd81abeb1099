"""What a script's process may use beyond the limits of the VM inside it, and for how long it is used."""

from __future__ import annotations

from msgspec import Struct

from skep.limits import KIB, MIB
from skep.lua.limits import Limits


class Bounds(Struct, frozen=True, kw_only=True):
    """Bytes and seconds of one process."""

    start: float = 10.0
    """Until it is ready."""
    margin: float = 0.25
    """Beyond the VM's own limit on a call, until the process is killed."""
    cpu: float = 60.0
    """Of CPU, in its life; one that could reach it in its next call is replaced before."""
    python_memory: int = 64 * MIB
    """For Python and what is on its way in, beyond the VM's memory."""
    frame: int = 64 * KIB
    """Of a frame around its value."""
    host_calls: int = 10_000
    """Of one call."""


DEFAULT_BOUNDS = Bounds()
_COPIES = 8
"""A value takes about so much more as Python objects, and as text beside them, than as JSON."""


def address_space(limits: Limits, bounds: Bounds) -> int:
    """Bytes that a process may have beyond those of a new one."""
    return limits.memory + bounds.python_memory + _COPIES * limits.output


def cpu_seconds(limits: Limits, bounds: Bounds) -> int:
    """The CPU limit of a process: at least one call with its margin fits."""
    return int(max(bounds.cpu, limits.wall + bounds.margin)) + 1


def largest_frame(limits: Limits, bounds: Bounds) -> int:
    """Bytes of a frame that the host takes."""
    return limits.output + bounds.frame
