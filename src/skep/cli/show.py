"""`skep show`: one run, as it ended or as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import Json, RunId, Store
from skep.cli.text import visible

if TYPE_CHECKING:
    from skep.engine.engine import Engine
    from skep.engine.runs.info import RunInfo

STEPS_FOLDED = 20_000
"""Steps of a run up to which its tree is drawn; reading more would take too long."""


def show(run_id: RunId, *, token_file: TokenFile = None, store: Store = None, as_json: Json = False) -> None:
    """Show a run: its tree, its result or its error."""
    import asyncio

    from skep.cli.report import reported

    with reported(as_json):
        asyncio.run(_show(run_id, store, held_tokens(token_file), as_json))


async def _show(run_id: str, store: str | None, held: Held, as_json: bool) -> None:
    from skep.cli.json_out import print_json
    from skep.cli.questions import told, told_to
    from skep.cli.report import print_run
    from skep.cli.store import open_engine
    from skep.engine.runs.info import ENDED

    async with open_engine(store) as engine:
        info = await engine.get_run(run_id, token=held.token("get_run"))
        if as_json:
            print_json(info.to_dict())
            return
        if info.steps <= STEPS_FOLDED:
            await _print_tree(engine, info, held)
        found = await told_to(held, engine, info.run_id) if info.status not in ENDED else []
    print_run(info)
    for line in told(found, store):
        typer.echo(line)


async def _print_tree(engine: Engine, info: RunInfo, held: Held) -> None:
    from rich.console import Console

    from skep.cli.resume import flow_of
    from skep.cli.view.model import RunView
    from skep.cli.view.outline import outline
    from skep.cli.view.tree import Tree, status_line
    from skep.errors import AuthorityError

    view = RunView()
    try:
        async for event in engine.run_events(info.run_id, token=held.token("run_events")):
            view.apply(event)
    except AuthorityError as error:
        typer.echo(f"no tree: {visible(str(error), 300)}", err=True)
        return
    view.status = info.status
    console = Console(highlight=False)
    unicode = console.encoding.startswith("utf")
    tree = Tree(outline(await flow_of(engine, info.run_id)), unicode=unicode)
    for line in tree.lines(view, view.now, 200):
        console.print(line)
    console.print(status_line(view, view.now, unicode=unicode))
