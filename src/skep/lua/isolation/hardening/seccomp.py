"""seccomp: of all system calls only those that computing, and talking through open descriptors, takes.

Everything else answers EPERM, so that a library which tries something optional lives on; a call made in another
architecture's convention ends the process. The filter is a classic BPF program, one check after another:
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from typing import NamedTuple

from skep.lua.isolation.hardening.libc import prctl

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2

_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _THIRD_ARGUMENT_AT = 0, 4, 32
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
_PROT_EXEC = 4


class Architecture(NamedTuple):
    """Numbers of the calls that are allowed. The two of `mapping` only without PROT_EXEC."""

    audit: int
    allowed: tuple[int, ...]
    mapping: tuple[int, int]
    """mmap and mprotect, whose third argument is the protection."""


ARCHITECTURES = {
    # read write munmap brk rt_sigreturn mremap sched_yield madvise getpid exit gettimeofday gettid time futex
    # restart_syscall clock_gettime exit_group getrandom
    "x86_64": Architecture(
        0xC000003E,
        (0, 1, 11, 12, 15, 24, 25, 28, 39, 60, 96, 186, 201, 202, 219, 228, 231, 318),
        (9, 10),
    ),
    # read write exit exit_group futex clock_gettime sched_yield restart_syscall rt_sigreturn gettimeofday getpid
    # gettid brk munmap mremap madvise getrandom
    "aarch64": Architecture(
        0xC00000B7,
        (63, 64, 93, 94, 98, 113, 124, 128, 139, 169, 172, 178, 214, 215, 216, 233, 278),
        (222, 226),
    ),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def architecture() -> Architecture | None:
    """This machine's, if its calls are known here."""
    if sys.platform != "linux" or sys.maxsize <= 2**32:
        return None
    return ARCHITECTURES.get(os.uname().machine)


def available() -> bool:
    """Whether this kernel takes filters and this machine's calls are known."""
    if architecture() is None:
        return False
    try:
        prctl(_PR_SET_SECCOMP, _MODE_FILTER, None)
    except OSError as error:
        return error.errno == errno.EFAULT  # it knows the mode and looked for the program
    return False


def program(machine: Architecture) -> bytes:
    """The filter, 8 bytes an instruction."""
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    for number in machine.allowed:
        code += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    for number in machine.mapping:
        code += [
            (_EQUAL, 0, 4, number),
            (_LOAD, 0, 0, _THIRD_ARGUMENT_AT),
            (_ANY_BIT, 0, 1, _PROT_EXEC),
            (_RETURN, 0, 0, _REFUSE),
            (_RETURN, 0, 0, _ALLOW),
        ]
    code.append((_RETURN, 0, 0, _REFUSE))
    return b"".join(struct.pack("=HBBI", *one) for one in code)


def allow_only_computing(machine: Architecture) -> None:
    """Set the filter for this process, for good.

    Raises:
        OSError: the kernel refused.
    """
    code = program(machine)
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(code) // 8, code)))
