"""`skep events`: a run's record, event by event."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from skep.cli.options import Json, RunId, Store
from skep.cli.text import visible

_HEAD = ("log", "version", "position", "at", "kind", "run_id", "task_id")


def events(run_id: RunId, *, store: Store = None, as_json: Json = False) -> None:
    """Print a run's record, one event a line."""
    import asyncio

    asyncio.run(_print(run_id, store, as_json))


async def _print(run_id: str, store: str | None, as_json: bool) -> None:
    from skep.cli.json_out import json_text
    from skep.cli.store import open_engine

    async with open_engine(store) as engine:
        info = await engine.get_run(run_id)
        async for event in engine.run_events(info.run_id):
            sys.stdout.write((json_text(event) if as_json else _line(event)) + "\n")


def _line(event: Mapping[str, Any]) -> str:
    from datetime import UTC, datetime

    from skep.cli.json_out import json_text

    at = datetime.fromtimestamp(event["at"] / 1000, UTC).isoformat(timespec="milliseconds")[11:23]
    rest = {name: value for name, value in event.items() if name not in _HEAD}
    about = event.get("task_id", "")
    return f"{event['version']:>5}  {at}  {event['kind']:<24}  {about:<18}  {visible(json_text(rest), 200)}"
