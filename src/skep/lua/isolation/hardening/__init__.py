"""What a script's process gives up, for good, before the first script is in it.

A folder of small steps that need nothing but the standard library, in the order in which `harden` takes them.
"""

from __future__ import annotations

import sys

from skep.lua.isolation.hardening import landlock, privileges, resources, seccomp


def harden(memory: int, cpu_seconds: int) -> list[str]:
    """Give up everything that this kernel lets a process give up; the names of what was done.

    A step that the kernel has and refuses is an error: nobody is told of a wall that is not there.

    Args:
        memory: bytes of address space beyond what is in use now.
        cpu_seconds: of this process, in all its life.

    Raises:
        OSError: a step failed.
    """
    done = ["limits"]
    resources.limit(memory, cpu_seconds)
    if privileges.available():
        privileges.drop()
        done.append("privileges")
    if abi := landlock.version():
        landlock.deny_everything(abi)
        done.append("landlock")
    resources.no_more_descriptors()
    machine = seccomp.architecture()
    if machine is not None and seccomp.available():
        seccomp.allow_only_computing(machine)
        done.append("seccomp")
    return done


def hardening() -> dict[str, str | None]:
    """Which walls this machine gives around an untrusted script, each with what it is; `None`: it has none."""
    abi = landlock.version()
    return {
        "limits": "CPU, memory, files, processes" if sys.platform == "linux" else "CPU, files, processes",
        "privileges": "no capabilities, and none to gain by executing" if privileges.available() else None,
        "landlock": f"version {abi}: no file can be reached" if abi else None,
        "seccomp": "system calls for computing only" if seccomp.available() else None,
    }
