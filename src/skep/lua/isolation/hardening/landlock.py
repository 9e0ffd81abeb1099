"""Landlock: a process gives up the file system (and TCP, and signals to others) for good.

The rule set has no rule, so everything that it handles is denied. What a kernel handles grew with its ABI version:
https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from skep.lua.isolation.hardening.libc import prctl, syscall

_CREATE_RULESET = 444
_RESTRICT_SELF = 446
_VERSION = 1 << 0
_PR_SET_NO_NEW_PRIVS = 38

_FILE_RIGHTS = ((1, 13), (2, 14), (3, 15), (5, 16))
"""From which version on how many rights to files there are."""
_NET_SINCE, _NET_RIGHTS = 4, 0b11
_SCOPES_SINCE, _SCOPES = 6, 0b11


def version() -> int:
    """The version of Landlock that this kernel has switched on; 0 if none."""
    if sys.platform != "linux":
        return 0
    try:
        return syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    except OSError:
        return 0


def attributes(abi: int) -> bytes:
    """The rule set that handles everything which this version can.

    >>> attributes(1).hex()
    'ff1f000000000000'
    """
    files = max(bits for since, bits in _FILE_RIGHTS if abi >= since)
    packed = struct.pack("=Q", (1 << files) - 1)
    if abi >= _NET_SINCE:
        packed += struct.pack("=Q", _NET_RIGHTS)
    if abi >= _SCOPES_SINCE:
        packed += struct.pack("=Q", _SCOPES)
    return packed


def deny_everything(abi: int) -> None:
    """Restrict this thread and whatever it starts, for good.

    Raises:
        OSError: the kernel refused.
    """
    packed = attributes(abi)
    size = ctypes.c_size_t(len(packed))
    ruleset = syscall(_CREATE_RULESET, ctypes.c_char_p(packed), size, ctypes.c_uint32(0))
    try:
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
