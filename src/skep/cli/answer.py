"""`skep answer`: answer an open question of any run in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import Json, Store

if TYPE_CHECKING:
    from skep.engine.inbox.elsewhere import Delivered


def answer(
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="The question's key, as `skep questions` shows it.")
    ],
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="JSON if it parses, else text; @FILE, or - for stdin.")
    ],
    *,
    token_file: TokenFile = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Answer a question, also one of a run that another process works on."""
    import asyncio

    from skep.cli.inputs import read_value
    from skep.cli.report import reported

    with reported(as_json):
        given = read_value(value, "answer")
        delivered = asyncio.run(_answer(store, held_tokens(token_file), key, given))
        run_id = delivered.log.removeprefix("run:")
        say_delivered({"key": key}, delivered, f"{key} is answered", run_id, store, as_json=as_json)


async def _answer(store: str | None, held: Held, key: str, value: Any) -> Delivered:
    from skep.cli.commands import command
    from skep.cli.store import open_engine
    from skep.errors import WorkHeld

    token = held.token("resume")
    async with open_engine(store) as engine:
        try:
            return await engine.resume(token, key, value)
        except WorkHeld as error:
            raise WorkHeld(error.what, fix=command(store, "operator", "SEAT", "--takeover", key)) from error


def say_delivered(
    about: dict[str, str], delivered: Delivered, done: str, run_id: str, store: str | None, *, as_json: bool
) -> None:
    """Whether the run's owner has acted on a message, or it waits for the next one."""
    from skep.cli.commands import command
    from skep.cli.json_out import print_json

    if as_json:
        print_json({**about, "run_id": run_id, "acted": delivered.acted})
    elif delivered.acted:
        typer.echo(done)
    else:
        remedy = command(store, "resume", run_id)
        typer.echo(f"kept: no process works on {run_id} now, the next one takes it first ({remedy})")
