"""`skep run`: start a Blueprint and follow it to its end."""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from msgspec import Struct

from skep.cli.options import Json, Store, read_input
from skep.cli.text import plural

if TYPE_CHECKING:
    from skep.engine.engine import Engine

NAMED = 3
"""Interrupted runs that are named; of more there is only the number."""


class _Order(Struct, frozen=True, kw_only=True):
    file: str
    given: dict[str, Any]
    store: str | None
    as_json: bool
    timeout: float | None
    durability: Literal["group", "step"]
    work_dir: str | None


def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A Blueprint: .yaml, .yml or .json.")],
    *,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="K=V", help="One input; V is JSON if it parses, else text."),
    ] = None,
    input_json: Annotated[
        str | None,
        typer.Option("--input-json", metavar="FILE", help="The input as a JSON object; - is stdin."),
    ] = None,
    store: Store = None,
    as_json: Json = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds until the run is ended.", min=0.001)
    ] = None,
    durability: Annotated[
        Literal["group", "step"],
        typer.Option(help="group: finished steps are stored together; step: each at once."),
    ] = "group",
    work_dir: Annotated[
        str | None, typer.Option("--work-dir", metavar="DIR", help="Where workers work, by default here.")
    ] = None,
) -> int:
    """Run a Blueprint and follow it to its end."""
    from skep.cli.report import reported

    with reported(as_json):
        order = _Order(
            file=file,
            given=read_input(inputs or [], input_json),
            store=store,
            as_json=as_json,
            timeout=timeout,
            durability=durability,
            work_dir=_folder(work_dir),
        )
        return asyncio.run(_run(order))


async def _run(order: _Order) -> int:
    from skep.cli.follow import follow
    from skep.cli.store import open_engine
    from skep.flow.load import load

    loaded = load(order.file)
    async with open_engine(order.store) as engine:
        await _name_interrupted(engine, order.store)
        handle = await engine.start(
            loaded, order.given, work_dir=order.work_dir, durability=order.durability, timeout=order.timeout
        )
        return await follow(handle, loaded.blueprint.flow, as_json=order.as_json)


async def _name_interrupted(engine: Engine, store: str | None) -> None:
    from skep.cli.store import interrupted_runs

    found = await interrupted_runs(engine)
    if not found:
        return
    option = f" --store {shlex.quote(store)}" if store is not None else ""
    names = ", ".join(info.run_id for info in found[:NAMED])
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    typer.echo(
        f"skep: {plural(len(found), 'run')} interrupted: {names}{more} (skep resume{option} RUN)",
        err=True,
    )


def _folder(path: str | None) -> str | None:
    from pathlib import Path

    from skep.errors import ConfigError

    if path is not None and not Path(path).is_dir():
        raise ConfigError("not a folder", where=f"--work-dir {path}", fix="make it first")
    return path
