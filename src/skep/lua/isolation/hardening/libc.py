"""System calls that Python has no name for, made through the C library."""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: object) -> int:
    """Make a system call by its number.

    Raises:
        OSError: it failed.
    """
    return _checked(_libc.syscall(ctypes.c_long(number), *arguments))


def prctl(option: int, *arguments: object) -> int:
    """Make `prctl`; arguments that are left out are 0.

    Raises:
        OSError: it failed.
    """
    given = [ctypes.c_ulong(argument) if isinstance(argument, int) else argument for argument in arguments]
    given += [ctypes.c_ulong(0)] * (4 - len(given))
    return _checked(_libc.prctl(option, *given))


def capset(header: object, data: object) -> None:
    """Set the capabilities of this thread.

    Raises:
        OSError: it failed.
    """
    _checked(_libc.capset(header, data))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
