"""What one Lua VM may use (R-bound)."""

from __future__ import annotations

from msgspec import Struct

from skep.limits import KIB, MIB


class Limits(Struct, frozen=True, kw_only=True):
    """Bounds of a VM. Passing one is `LimitExceeded` with the field's name; the VM is then not used again."""

    memory: int = 64 * MIB
    """Bytes that the VM may hold, those of a fresh VM not counted."""
    wall: float = 10.0
    """Seconds of one call, host functions and conversion included; `math.inf` for none."""
    instructions: int = 1_000_000_000
    """VM instructions of one call, counted in steps of 1,000."""
    output: int = 16 * MIB
    """Bytes of one value that leaves the VM, about as JSON; also of all text that one call prints."""
    source: int = 1 * MIB
    """Bytes of a script, or of a module that it requires."""
    depth: int = 100
    """Nesting of a value on its way in or out."""
    chunks: int = 64
    """Compiled scripts that a VM keeps; the one not used for longest goes."""


DEFAULT_LIMITS = Limits()

GRAIN = 1_000
"""Instructions between two looks at the limits."""
POLL_SECONDS = 0.001
"""CPU time between two looks at the clock and at the cancel token."""
MESSAGE = 8 * KIB
"""Bytes of an error message from a script."""
TRACEBACK = 16 * KIB
"""Bytes of a Lua traceback."""
