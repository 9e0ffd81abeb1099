"""`skep ps`: the runs of a store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import Json, Store
from skep.cli.text import duration, visible

if TYPE_CHECKING:
    from skep.engine.runs.info import RunInfo

COLORS = {
    "done": "green",
    "failed": "red",
    "timeout": "red",
    "running": "cyan",
    "interrupted": "yellow",
    "suspended": "yellow",
}


def ps(
    *,
    token_file: TokenFile = None,
    store: Store = None,
    as_json: Json = False,
    limit: Annotated[int, typer.Option(help="How many runs at most.", min=1, max=10_000)] = 100,
) -> None:
    """List runs, newest first."""
    import asyncio

    runs = asyncio.run(_list(store, held_tokens(token_file), limit))
    if as_json:
        from skep.cli.json_out import print_json

        print_json({"runs": [_row(info) for info in runs]})
    elif not runs:
        typer.echo("no runs yet (skep demo, or skep run FILE)")
    else:
        typer.echo(f"{'RUN':<20}  {'STATUS':<11}  {'BLUEPRINT':<24}  {'STEPS':>7}  {'TOOK':>6}  {'AGE':>6}")
        for info in runs:
            typer.echo(_line(info, time.time() * 1000))


async def _list(store: str | None, held: Held, limit: int) -> list[RunInfo]:
    from skep.cli.store import open_engine

    async with open_engine(store) as engine:
        return await engine.list_runs(limit=limit, token=held.token("list_runs"))


def _row(info: RunInfo) -> dict[str, Any]:
    return {
        "run_id": info.run_id,
        "status": info.status,
        "blueprint_id": info.blueprint_id,
        "blueprint": info.blueprint,
        "work_dir": info.work_dir,
        "created_at": info.created_at,
        "updated_at": info.updated_at,
        "stats": info.stats,
    }


def _line(info: RunInfo, now: float) -> str:
    status = typer.style(f"{info.status:<11}", fg=COLORS.get(info.status))
    took, age = duration(info.updated_at - info.created_at), duration(now - info.created_at)
    name = visible(info.blueprint_id, 24)
    return f"{info.run_id:<20}  {status}  {name:<24}  {info.steps:>7,}  {took:>6}  {age:>6}"
