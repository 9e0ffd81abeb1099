"""The filter, run by an interpreter of the few BPF instructions that it uses."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.lua.isolation.hardening.seccomp import ARCHITECTURES, program

ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
X32 = 0x40000000
EXECUTE = 4
FORBIDDEN = {
    "x86_64": {
        "open": 2, "socket": 41, "connect": 42, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
        "ptrace": 101, "prctl": 157, "tkill": 200, "tgkill": 234, "openat": 257, "prlimit64": 302, "execveat": 322,
        "process_vm_writev": 311, "memfd_create": 319, "bpf": 321, "io_uring_setup": 425, "clone3": 435, "openat2": 437,
        "rt_sigaction": 13, "fcntl": 72, "close": 3, "sendmsg": 46, "mount": 165, "unshare": 272,
    },
    "aarch64": {
        "openat": 56, "close": 57, "fcntl": 25, "socket": 198, "connect": 203, "clone": 220, "execve": 221,
        "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigaction": 134, "ptrace": 117, "prctl": 167, "prlimit64": 261,
        "process_vm_writev": 271, "memfd_create": 279, "bpf": 280, "execveat": 281, "io_uring_setup": 425,
        "clone3": 435, "openat2": 437, "sendmsg": 211, "mount": 40, "unshare": 97,
    },
}  # fmt: skip


def verdict(code: bytes, audit: int, number: int, third: int = 0) -> int:
    """What the filter answers to a system call."""
    data = struct.pack("=IIQ6Q", number, audit, 0, 0, 0, third, 0, 0, 0)
    instructions = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    register, at = 0, 0
    while True:
        operation, if_true, if_false, value = instructions[at]
        at += 1
        if operation == 0x06:
            return value
        if operation == 0x20:
            (register,) = struct.unpack_from("=I", data, value)
        else:
            assert operation in (0x15, 0x45)
            holds = register == value if operation == 0x15 else bool(register & value)
            at += if_true if holds else if_false


@pytest.fixture(params=ARCHITECTURES)
def machine(request):
    found = ARCHITECTURES[request.param]
    return found, program(found), FORBIDDEN[request.param]


def test_what_is_allowed_is_the_list_and_nothing_else(machine):
    found, code, _ = machine
    for number in range(1_024):
        expected = ALLOW if number in (*found.allowed, *found.mapping) else REFUSE
        assert verdict(code, found.audit, number) == expected, number
        assert verdict(code, found.audit, number | X32) == REFUSE, (
            "the other table of numbers is no way round"
        )


def test_no_call_that_reaches_outside_is_allowed(machine):
    found, code, forbidden = machine
    assert {
        name for name, number in forbidden.items() if verdict(code, found.audit, number) != REFUSE
    } == set()


def test_memory_cannot_be_made_executable(machine):
    found, code, _ = machine
    for number in found.mapping:
        for protection in range(8):
            expected = REFUSE if protection & EXECUTE else ALLOW
            assert verdict(code, found.audit, number, protection) == expected


@given(st.sampled_from(sorted(ARCHITECTURES)), st.integers(0, 2**32 - 1), st.integers(0, 1_024))
def test_a_call_in_another_architectures_convention_ends_the_process(name, audit, number):
    found = ARCHITECTURES[name]
    expected = {KILL} if audit != found.audit else {ALLOW, REFUSE}
    assert verdict(program(found), audit, number) in expected
