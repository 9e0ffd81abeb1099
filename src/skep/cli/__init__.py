"""The `skep` program: `skep.cli:main` is its console script, one file holds each command."""

from __future__ import annotations

__all__ = ["main"]

_CODE = 130
_NOTICE = b"skep: cancelled\n"
_OBJECT = (
    b'{"run_id":null,"status":"cancelled","result":null,'
    b'"error":{"code":"E-STOPPED","message":"cancelled","where":null,"fix":null},"stats":{}}\n'
)


def main(arguments: list[str] | None = None) -> int:
    """Run one command with `arguments`, by default those of the process; returns its exit code."""
    import sys

    words = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in words
    try:
        _guard_imports(as_json=as_json)
    except KeyboardInterrupt:
        return _CODE
    from skep.cli.interrupts import leave_when_signalled

    leave_when_signalled(as_json=as_json)
    from skep.cli import program

    return program.main(arguments)


def _guard_imports(*, as_json: bool) -> None:
    """Let Ctrl-C end the program while it is still being imported: a handler must need no import then."""
    import os
    import signal

    def leave(_number: int, _frame: object) -> None:
        for stream, data in ((2, _NOTICE), (1, _OBJECT if as_json else b"")):
            try:
                os.write(stream, data)
            except OSError:
                continue  # closed: there is nobody left to tell
        os._exit(_CODE)

    try:
        signal.signal(signal.SIGINT, leave)
    except ValueError:  # another thread than the main one: a program around us has its own handlers
        return
