"""`skep events`: a run's record, event by event."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import RunId, Store
from skep.cli.text import visible

Json = Annotated[
    bool, typer.Option("--json", help="One JSON object a line on stdout and nothing else there.")
]

_HEAD = frozenset(("log", "version", "position", "at", "kind", "run_id", "task_id", "step_key", "digest"))
_LAST = frozenset(("task_pass", "task_blocked", "task_timeout", "task_cancelled"))


def events(
    run_id: RunId, *, token_file: TokenFile = None, store: Store = None, as_json: Json = False
) -> None:
    """Print a run's record, one event a line."""
    import asyncio

    asyncio.run(_print(run_id, store, held_tokens(token_file), as_json))


async def _print(run_id: str, store: str | None, held: Held, as_json: bool) -> None:
    from skep.cli.json_out import json_text
    from skep.cli.store import open_engine

    names: dict[str, str] = {}
    token = held.token("run_events")
    async with open_engine(store) as engine:
        info = await engine.get_run(run_id)
        async for event in engine.run_events(info.run_id, token=token):
            sys.stdout.write((json_text(event) if as_json else _line(event, names)) + "\n")


def _line(event: dict[str, Any], names: dict[str, str]) -> str:
    """For people: the step instead of its task's id; `names` knows those of the open tasks."""
    from datetime import UTC, datetime

    from skep.cli.json_out import json_text

    kind, task = event["kind"], event.get("task_id")
    if kind == "task_created":
        names[task or ""] = event.get("step_key") or task or ""
    about = names.pop(task, task) if kind in _LAST and task else names.get(task or "", task or "")
    at = datetime.fromtimestamp(event["at"] / 1000, UTC).isoformat(timespec="milliseconds")[11:23]
    rest = json_text({name: value for name, value in event.items() if name not in _HEAD})
    return f"{event['version']:>5}  {at}  {kind:<22}  {visible(about, 40):<16}  {visible(rest, 160)}"
