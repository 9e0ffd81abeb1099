"""`skep show`: one run, as it ended or as it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from skep.cli.options import Json, RunId, Store

if TYPE_CHECKING:
    from skep.engine.engine import Engine
    from skep.engine.info import RunInfo

STEPS_FOLDED = 20_000
"""Steps of a run up to which its tree is drawn; reading more would take too long."""


def show(run_id: RunId, *, store: Store = None, as_json: Json = False) -> None:
    """Show a run: its tree, its result or its error."""
    import asyncio

    from skep.cli.report import reported

    with reported(as_json):
        asyncio.run(_show(run_id, store, as_json))


async def _show(run_id: str, store: str | None, as_json: bool) -> None:
    from skep.cli.json_out import print_json
    from skep.cli.questions import told
    from skep.cli.report import print_run
    from skep.cli.store import open_engine
    from skep.engine.info import ENDED

    async with open_engine(store) as engine:
        info = await engine.get_run(run_id)
        if as_json:
            print_json(info.to_dict())
            return
        if info.steps <= STEPS_FOLDED:
            await _print_tree(engine, info)
        found = await engine.list_questions(run_id=info.run_id) if info.status not in ENDED else []
    print_run(info)
    for line in told(found, store):
        typer.echo(line)


async def _print_tree(engine: Engine, info: RunInfo) -> None:
    from rich.console import Console

    from skep.cli.resume import flow_of
    from skep.cli.view.model import RunView
    from skep.cli.view.outline import outline
    from skep.cli.view.tree import Tree, status_line

    view = RunView()
    async for event in engine.run_events(info.run_id):
        view.apply(event)
    view.status = info.status
    console = Console(highlight=False)
    unicode = console.encoding.startswith("utf")
    tree = Tree(outline(await flow_of(engine, info.run_id)), unicode=unicode)
    for line in tree.lines(view, view.now, 200):
        console.print(line)
    console.print(status_line(view, view.now, unicode=unicode))
