"""How a command says what came of a run: one JSON object for machines, a few lines for people."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from skep.cli.json_out import json_text, print_json
from skep.cli.text import visible
from skep.errors import SkepError

if TYPE_CHECKING:
    from skep.engine.info import RunInfo

ROWS_SHOWN = 20
VALUE_SHOWN = 160


@contextmanager
def reported(as_json: bool) -> Generator[None]:
    """With `--json`, an error that comes before there is a run is an object on stdout, too."""
    try:
        yield
    except SkepError as error:
        if as_json:
            nothing = {
                "run_id": None,
                "status": "failed",
                "result": None,
                "error": error.to_dict(),
                "stats": {},
            }
            print_json(nothing)
        raise


def print_run(info: RunInfo) -> None:
    """The result on stdout or the failure on stderr, and how to see more."""
    if info.status == "done":
        sys.stdout.write("\n".join(result_lines(info.result)) + "\n")
    elif info.error is not None:
        step = f" at {info.error['step']}" if info.error.get("step") else ""
        message = f"{info.error.get('code')}{step}: {info.error.get('message')}"
        sys.stderr.write(f"skep: {info.run_id} {info.status}: {visible(message, 2_000)}\n")
    sys.stdout.write(f"\n{info.run_id}  (skep show {info.run_id})\n")
    sys.stdout.flush()


def result_lines(result: Any) -> list[str]:
    """A result for people: an object as rows, each cut to a line."""
    if not isinstance(result, dict):
        return [f"  {visible(json_text(result), VALUE_SHOWN)}"]
    rows = list(cast("dict[str, Any]", result).items())
    width = max((len(visible(key, 30)) for key, _ in rows[:ROWS_SHOWN]), default=0)
    lines = [f"  {visible(key, 30):<{width}}  {_value(value)}" for key, value in rows[:ROWS_SHOWN]]
    return lines if len(rows) <= ROWS_SHOWN else [*lines, f"  … {len(rows) - ROWS_SHOWN} more"]


def _value(value: Any) -> str:
    return visible(value if isinstance(value, str) else json_text(value), VALUE_SHOWN)
