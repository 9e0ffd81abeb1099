"""Programs for the process of untrusted scripts that are not what it should be: forgers, probers, mutes.

Each public function is the whole program of a process that tests start (`program`).
"""

from __future__ import annotations

import errno
import os
import signal
import struct
import sys
from pathlib import Path

from skep.lua.isolation.entry import SOCKET, Wire, enter
from skep.lua.isolation.frames import framed
from skep.lua.isolation.hardening import landlock
from skep.lua.isolation.launch import Program, scripts
from skep.lua.limits import Limits

HUGE = 2**31


def program(function: str) -> Program:
    """That function of this file as the program of a process."""
    return Program("lua_children", function, (*scripts().paths, str(Path(__file__).parent)))


# -- forgers: not hardened, for what they could do beyond talking is not what is tested here -----


def _soft() -> Wire:
    """Ready without any wall."""
    wire = Wire()
    wire.read()
    wire.write(b'{"type":"ready","walls":[]}')
    return wire


def _forger(*frames: bytes, hold: bool = True) -> None:
    wire = _soft()
    wire.read()
    os.write(SOCKET, b"".join(frames))
    if hold:
        wire.read()
    os._exit(0)


def oversized() -> None:
    _forger(struct.pack(">I", HUGE), b"x" * 100)


def too_long_a_value() -> None:
    _forger(framed(b'{"type":"done","call":1,"value":"' + b"x" * 2**20 + b'"}'))


def other_call() -> None:
    _forger(framed(b'{"type":"done","call":2,"value":1}'))


def unknown_host_function() -> None:
    _forger(framed(b'{"type":"ask","call":1,"number":1,"name":"os.execute","value":1}'))


def wrong_number() -> None:
    _forger(framed(b'{"type":"ask","call":1,"number":7,"name":"add","value":[1]}'))


def no_utf8() -> None:
    _forger(framed(b'{"type":"done","call":1,"value":"\xff\xfe"}'))


def no_json() -> None:
    _forger(framed(b"hello"))


def lone_surrogate() -> None:
    _forger(framed(b'{"type":"done","call":1,"value":"\\ud800"}'))


def infinite() -> None:
    _forger(framed(b'{"type":"done","call":1,"value":1e999}'))


def huge_integer() -> None:
    _forger(framed(b'{"type":"done","call":1,"value":' + b"9" * 5_000 + b"}"))


def deep() -> None:
    _forger(framed(b'{"type":"done","call":1,"value":' + b"[" * 30_000 + b"]" * 30_000 + b"}"))


def rather_deep() -> None:
    _forger(framed(b'{"type":"done","call":1,"value":' + b"[" * 500 + b"]" * 500 + b"}"))


def more_fields() -> None:
    _forger(framed(b'{"type":"done","call":1,"value":1,"admin":true}'))


def wrong_type() -> None:
    _forger(framed(b'{"type":"done","call":"1","value":1}'))


def unknown_type() -> None:
    _forger(framed(b'{"type":"' + b"shutdown" * 1_000 + b'"}'))


def host_message() -> None:
    _forger(framed(b'{"type":"start","limits":{},"memory":1,"cpu":1}'))


def ready_again() -> None:
    _forger(framed(b'{"type":"ready","walls":[]}'))


def twice() -> None:
    done = framed(b'{"type":"done","call":1,"value":1}')
    _forger(done, done)


def begins_another() -> None:
    _forger(framed(b'{"type":"done","call":1,"value":1}'), b"\0\0")


def half_a_frame() -> None:
    _forger(struct.pack(">I", 100), b"{", hold=False)


def ends() -> None:
    _forger(hold=False)


def asks_for_ever() -> None:
    wire = _soft()
    wire.read()
    number = 0
    while True:
        number += 1
        wire.write(b'{"type":"ask","call":1,"number":%d,"name":"add","value":[1]}' % number)
        wire.read()


def prints_for_ever() -> None:
    wire = _soft()
    wire.read()
    while True:
        wire.write(b'{"type":"printed","call":1,"text":"' + b"x" * 1_000 + b'"}')


def trickles() -> None:
    wire = _soft()
    wire.read()
    os.write(SOCKET, struct.pack(">I", 1_000))
    while True:
        os.write(SOCKET, b" ")
        signal.sigtimedwait((), 0.01)


def speaks_unasked() -> None:
    """After its first result, when nobody has asked."""
    wire = _soft()
    wire.read()
    wire.write(b'{"type":"done","call":1,"value":1}')
    wire.read()
    os._exit(0)


def late() -> None:
    """Once a call was answered, another answer to it."""
    wire = _soft()
    while True:
        wire.read()
        wire.write(b'{"type":"done","call":1,"value":"first"}')
        signal.sigtimedwait((), 0.05)
        wire.write(b'{"type":"done","call":2,"value":"forged"}')


def mute() -> None:
    """Never ready."""
    Wire().read()
    signal.pause()


def deaf() -> None:
    """Ready, and then it reads nothing."""
    _soft()
    signal.pause()


def echo() -> None:
    """Its pid, to every call."""
    wire = _soft()
    number = 0
    while True:
        wire.read()
        number += 1
        wire.write(b'{"type":"done","call":%d,"value":%d}' % (number, os.getpid()))


def broken() -> None:
    enter(_broken)


def _broken(_limits: Limits) -> None:
    raise RuntimeError("no Lua here")


def absent() -> None:
    os._exit(3)


# -- a prober: hardened, then under the control of whoever got hold of Python --------------------


def prober() -> None:
    """Tries what a process can try; answers with what each came to."""
    wire, _ = enter(_prepared)
    wire.read()
    found = ",".join(f'"{name}":"{_tried(name)}"' for name in sorted(PROBES))
    wire.write(b'{"type":"done","call":1,"value":{%s}}' % found.encode())
    wire.read()
    os._exit(0)


def landlocked() -> None:
    """Landlock alone: without it seccomp would refuse the same."""
    wire = _soft()
    wire.read()
    landlock.deny_everything(landlock.version())
    files = ("read a file", "write a file", "list a folder", "link", "read the host's memory")
    found = ",".join(f'"{name}":"{_tried(name)}"' for name in files)
    wire.write(b'{"type":"done","call":1,"value":{%s}}' % found.encode())
    wire.read()
    os._exit(0)


def _prepared(_limits: Limits) -> None:
    """What an escape would have to have loaded before."""
    import _posixsubprocess  # noqa: F401, PLC0415
    import ctypes  # noqa: F401, PLC0415
    import fcntl  # noqa: F401, PLC0415
    import mmap  # noqa: F401, PLC0415
    import resource  # noqa: F401, PLC0415
    import socket  # noqa: F401, PLC0415


def _tried(name: str) -> str:
    try:
        return f"DONE {PROBES[name]()!r}".replace('"', "'").replace("\\", "/")
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    except (MemoryError, ValueError) as error:
        return type(error).__name__


def _module(name: str):
    return sys.modules[name]


def _system_call(number: int, *arguments: object) -> int:
    ctypes = _module("ctypes")
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


PROBES = {
    "read a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "write a file": lambda: os.open("/tmp/skep-canary", os.O_WRONLY | os.O_CREAT),  # noqa: S108
    "list a folder": lambda: os.listdir("/"),
    "remove a file": lambda: os.unlink("/tmp/skep-canary"),  # noqa: S108
    "look at a file": lambda: os.stat("/etc/passwd"),
    "link": lambda: os.symlink("/etc/passwd", "/tmp/skep-link"),  # noqa: S108
    "change folder": lambda: os.chdir("/tmp"),  # noqa: S108
    "read its own environment": lambda: os.open("/proc/self/environ", os.O_RDONLY),
    "read the host's memory": lambda: os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY),
    "fork": os.fork,
    "execute": lambda: os.execv("/bin/true", ["true"]),
    "kill the host": lambda: os.kill(1, 0),
    "kill its group": lambda: os.killpg(0, 0),
    "socket": lambda: _module("socket").socket(),
    "socket pair": lambda: _module("socket").socketpair(),
    "pipe": os.pipe,
    "duplicate": lambda: os.dup(0),
    "close its lifeline": lambda: os.close(1),
    "outlive its host": lambda: signal.signal(signal.SIGIO, signal.SIG_IGN),
    "raise a limit": lambda: _module("resource").setrlimit(_module("resource").RLIMIT_NOFILE, (64, 64)),
    "executable memory": lambda: _module("mmap").mmap(-1, 4096, prot=7),
    "become another user": lambda: os.setuid(65_534),
    "ptrace": lambda: _system_call({"x86_64": 101, "aarch64": 117}[os.uname().machine], 0, 0, 0, 0),
    "io_uring": lambda: _system_call(425, 8, 0),
    "much memory": lambda: len(bytearray(8 * 2**30)),
}
