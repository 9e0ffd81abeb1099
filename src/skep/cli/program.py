"""The program around the commands: how it starts, and how each kind of trouble leaves it."""

from __future__ import annotations

import os
import sys

from typer import Abort, TyperException

from skep.cli import exits
from skep.cli.app import app
from skep.cli.logs import tell_held
from skep.cli.reader import ReaderGone, is_output, lost, open_streams, stdout_failed
from skep.cli.text import visible
from skep.errors import Fenced, JournalFailed, SkepError

SWITCH_INTERVAL = 0.0005
"""Seconds: how long a CPU-bound thread may hold back the journal's writer (DESIGN section 7)."""

TRACEBACK = "--traceback"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code. Every error is one line, with `--traceback` all of it."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    full = TRACEBACK in words
    problem: BaseException | None = None
    if full:
        words.remove(TRACEBACK)
    _prepare()
    try:
        code = app(words, prog_name="skep", standalone_mode=False) or exits.DONE
        sys.stdout.flush()
    except (ReaderGone, BrokenPipeError):
        stdout_failed(BrokenPipeError())
        code = exits.DONE
    except KeyboardInterrupt:
        code = exits.CANCELLED
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the outermost edge: an imported module may raise anything
        if full:
            import traceback

            traceback.print_exc()
        problem = error
        code = _report(error, as_json="--json" in words)
    tell_held(problem)
    return _with_lost_output(code)


def _with_lost_output(code: int) -> int:
    why = lost()
    if why is None:
        return code
    _say(f"E-OUTPUT stdout cannot be written: {why} (the record has all of it: skep ps, skep show RUN)")
    return code or exits.FAILED


def _prepare() -> None:
    sys.setswitchinterval(SWITCH_INTERVAL)
    open_streams()
    _offer_own_tools()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _offer_own_tools() -> None:
    """Workers find the programs that were installed beside skep, though its venv was never activated."""
    tools = sys.executable.rpartition(os.sep)[0]
    path = os.environ.get("PATH", os.defpath)
    if tools and path.split(os.pathsep, 1)[0] != tools:
        os.environ["PATH"] = f"{tools}{os.pathsep}{path}"


def _report(error: BaseException, *, as_json: bool) -> int:
    """Print one line for `error`; returns the exit code."""
    if isinstance(error, Abort):
        return exits.CANCELLED
    if isinstance(error, TyperException):
        if as_json:
            _print_usage_error(error)
        _say(_usage(error))
        return exits.UNUSABLE_INPUT
    if isinstance(error, SkepError):
        _say(f"{error.code} {error}")
        return exits.FAILED if isinstance(error, (JournalFailed, Fenced)) else exits.UNUSABLE_INPUT
    if isinstance(error, OSError) and is_output(error):
        stdout_failed(error)
        return exits.FAILED
    _say(f"internal error: {type(error).__name__}: {error} ({TRACEBACK} shows where; please report it)")
    return exits.FAILED


def _print_usage_error(error: TyperException) -> None:
    from skep.cli.json_out import print_json
    from skep.cli.report import error_object

    try:
        print_json(error_object({"code": "E-USAGE", "message": _usage(error), "where": None, "fix": None}))
    except OSError as problem:
        stdout_failed(problem)


def _usage(error: TyperException) -> str:
    format_message = getattr(error, "format_message", None)
    message = str(format_message() if format_message else error).rstrip(".")
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "skep"
    return f"{message} ({command} --help)"


def _say(message: str) -> None:
    print(f"skep: {visible(message, 2_000)}", file=sys.stderr)  # noqa: T201 - the program's own voice
