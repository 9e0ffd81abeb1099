"""How a command says what came of a run: one JSON object for machines, a few lines for people."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, nullcontext
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TextIO, cast

from skep.cli.json_out import print_json, reserved
from skep.cli.text import in_short, visible
from skep.errors import SkepError

if TYPE_CHECKING:
    from skep.engine.acts.questions import OpenQuestion
    from skep.engine.runs.info import RunInfo

ROWS_SHOWN = 20
KEY_SHOWN = 30
VALUE_SHOWN = 160


class Report:
    """Which run a command is about, as soon as there is one."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.run_id: str | None = None
        self.ended: RunInfo | None = None
        """The run, where an error is that it has ended."""


@contextmanager
def reported(as_json: bool) -> Generator[Report]:
    """With `--json` nothing but objects comes to stdout; an error that leaves the block is one, too."""
    report = Report(as_json=as_json)
    try:
        with reserved() if as_json else nullcontext():
            yield report
    except SkepError as error:
        if as_json:
            ended = report.ended
            print_json(ended.to_dict() if ended is not None else error_object(error.to_dict(), report.run_id))
        raise


def error_object(error: dict[str, str | None], run_id: str | None = None) -> dict[str, Any]:
    """What `--json` prints of an error that kept a run from starting or from its end."""
    status = "failed" if run_id is None else "interrupted"
    return {"run_id": run_id, "status": status, "result": None, "error": error, "stats": {}}


def print_run(info: RunInfo) -> None:
    """The result on stdout or the failure on stderr, and how to see more."""
    if info.status == "done":
        width = get_terminal_size().columns if sys.stdout.isatty() else VALUE_SHOWN
        sys.stdout.write("\n".join(result_lines(info.result, width)) + "\n")
    elif info.error is not None:
        step = f" at {info.error['step']}" if info.error.get("step") else ""
        fix = f" ({info.error['fix']})" if info.error.get("fix") else ""
        message = f"{info.error.get('code')}{step}: {info.error.get('message')}{fix}"
        sys.stderr.write(f"skep: {info.run_id} {info.status}: {visible(message, 2_000)}\n")
    sys.stdout.write(f"\n{info.run_id}  (skep show {info.run_id})\n")
    sys.stdout.flush()


def print_suspended(
    stream: TextIO,
    run_id: str,
    questions: Sequence[OpenQuestion],
    signals: Sequence[str],
    store: str | None,
    *,
    waits: bool,
) -> None:
    """What a suspended run waits for, each with the command that gives it, and how to go on."""
    from skep.cli.commands import command
    from skep.cli.questions import told

    lines = [f"{run_id} is suspended: what is left waits for an answer from outside", *told(questions, store)]
    lines += [command(store, "signal", run_id, name) for name in signals]
    if waits:
        lines.append("it goes on here when it comes (Ctrl-C cancels the run)")
    else:
        if any(question.what == "work" for question in questions):
            lines.append(f"a process for whoever holds a token: {command(store, 'resume', run_id, '--wait')}")
        lines.append(f"then: {command(store, 'resume', run_id)}")
    stream.write("\n".join(lines) + "\n")
    stream.flush()


def result_lines(result: Any, width: int = VALUE_SHOWN) -> list[str]:
    """A result for people: an object as rows, each cut to a line of `width` characters."""
    if not isinstance(result, dict):
        return [f"  {_value(result, width - 3)}"]
    rows = list(cast("dict[str, Any]", result).items())
    keys = [visible(key, KEY_SHOWN) for key, _ in rows[:ROWS_SHOWN]]
    column = max(map(len, keys), default=0)
    room = max(10, width - column - 5)
    lines = [f"  {key:<{column}}  {_value(value, room)}" for key, (_, value) in zip(keys, rows, strict=False)]
    return lines if len(rows) <= ROWS_SHOWN else [*lines, f"  … {len(rows) - ROWS_SHOWN} more"]


def _value(value: Any, room: int) -> str:
    return in_short(value, room)
