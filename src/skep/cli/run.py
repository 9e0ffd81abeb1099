"""`skep run`: start a Blueprint and follow it to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import Json, Store, Wait

if TYPE_CHECKING:
    from skep.cli.report import Report
    from skep.engine.engine import Engine
    from skep.errors import BlueprintError
    from skep.flow.load import Loaded

NAMED = 3
"""Interrupted runs that are named; of more there is only the number."""


def run(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A Blueprint: .yaml, .yml or .json.")],
    *,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="K=V", help="One input; V is JSON if it parses, else text."),
    ] = None,
    input_json: Annotated[
        str | None, typer.Option("--input-json", metavar="FILE", help="A JSON object as input; - is stdin.")
    ] = None,
    wait: Wait = False,
    token_file: TokenFile = None,
    store: Store = None,
    as_json: Json = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds until the run is ended.", min=0.001, max=1e9)
    ] = None,
    durability: Annotated[
        Literal["group", "step"], typer.Option(help="Store finished steps together, or each at once.")
    ] = "group",
    work_dir: Annotated[
        str | None, typer.Option("--work-dir", metavar="DIR", help="Where workers work, by default here.")
    ] = None,
) -> int:
    """Run a Blueprint and follow it to its end."""
    import asyncio

    from skep.cli.inputs import read_input
    from skep.cli.report import reported

    with reported(as_json) as report:
        given = read_input(inputs or [], input_json)
        options = {"work_dir": _folder(work_dir), "durability": durability, "timeout": timeout}
        held = held_tokens(token_file)
        return asyncio.run(_run(file, given, store, options, report, held=held, wait=wait))


async def _run(
    file: str,
    given: dict[str, Any],
    store: str | None,
    options: dict[str, Any],
    report: Report,
    *,
    held: Held,
    wait: bool,
) -> int:
    from skep.cli.follow import Following
    from skep.cli.interrupts import Interrupts
    from skep.cli.store import open_engine
    from skep.errors import BlueprintError
    from skep.flow.load import load_blueprint

    loaded = load_blueprint(file)
    async with open_engine(store, works=True) as engine:
        await _name_interrupted(engine, held, store)
        with Interrupts(report, timeout=options["timeout"]) as interrupts:
            try:
                handle = await engine.start(loaded, given, **options, token=held.token("start"))
            except BlueprintError as error:
                raise _placed(error, loaded, file) from error
            report.run_id = handle.id
            following = Following(engine, handle, store, held, wait=wait)
            return await following.follow(loaded.blueprint.flow, interrupts, as_json=report.as_json)


def _placed(error: BlueprintError, loaded: Loaded, file: str) -> BlueprintError:
    """The same error with the file and the line in it."""
    from skep.flow.problems import Problem, as_error

    problems = loaded.located([problem for problem in error.problems if isinstance(problem, Problem)])
    if not problems:
        place = f"{file}: {error.where}" if error.where else file
        return type(error)(error.what, where=place, fix=error.fix)
    return as_error(problems, file)


async def _name_interrupted(engine: Engine, held: Held, store: str | None) -> None:
    import shlex

    from skep.cli.store import interrupted_runs
    from skep.cli.text import plural
    from skep.errors import AuthorityError

    try:
        found = await interrupted_runs(engine, held.token("list_runs"))
    except AuthorityError:
        return  # it may start runs, not see others
    if found:
        option = f" --store {shlex.quote(store)}" if store is not None else ""
        names = ", ".join(info.run_id for info in found[:NAMED])
        more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
        remedy = f"skep resume{option} {found[0].run_id}"
        typer.echo(f"skep: {plural(len(found), 'run')} interrupted: {names}{more} ({remedy})", err=True)


def _folder(path: str | None) -> str | None:
    from pathlib import Path

    from skep.errors import ConfigError

    if path is not None and not Path(path).is_dir():
        raise ConfigError("not a folder", where=f"--work-dir {path}", fix="make it first")
    return path
