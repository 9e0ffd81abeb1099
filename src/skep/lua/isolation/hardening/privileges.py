"""Giving up what a process of root, or with capabilities, may beyond others."""

from __future__ import annotations

import ctypes
import errno
import sys

from skep.lua.isolation.hardening.libc import capset, prctl

_PR_GET_NO_NEW_PRIVS = 39
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_CAPABILITY_VERSION_3 = 0x20080522


def available() -> bool:
    """Whether this kernel knows no-new-privileges."""
    if sys.platform != "linux":
        return False
    try:
        prctl(_PR_GET_NO_NEW_PRIVS)
    except OSError:
        return False
    return True


def drop() -> None:
    """No capabilities, and no program that this process could execute would bring any, for good.

    Raises:
        OSError: the kernel refused.
    """
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)
    _empty_bounding_set()
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    capset(header, (ctypes.c_uint32 * 6)())


def _empty_bounding_set() -> None:
    for capability in range(64):
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == errno.EPERM:  # who may not drop it has no capability to lose by executing
                return
            if error.errno == errno.EINVAL:  # the kernel has no more of them
                return
            raise
