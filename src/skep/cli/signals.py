"""`skep signal`: send a named signal to a run, whichever process works on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from skep.cli.answer import say_delivered
from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import Json, RunId, Store

if TYPE_CHECKING:
    from skep.engine.inbox.elsewhere import Delivered


def signal(
    run_id: RunId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The signal that a `wait` node names.")],
    value: Annotated[
        str | None,
        typer.Argument(metavar="[JSON]", help="Its value; text if it is not JSON; @FILE, or - for stdin."),
    ] = None,
    *,
    token_file: TokenFile = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Send a signal to a run; one that nothing waits for yet is kept."""
    import asyncio

    from skep.cli.inputs import read_value
    from skep.cli.report import reported

    with reported(as_json):
        given = None if value is None else read_value(value, "signal")
        run, delivered = asyncio.run(_signal(store, held_tokens(token_file), run_id, name, given))
        say_delivered({}, delivered, f"{run} has the signal {name}", run, store, as_json=as_json)


async def _signal(store: str | None, held: Held, run_id: str, name: str, value: Any) -> tuple[str, Delivered]:
    from skep.cli.store import open_engine

    async with open_engine(store) as engine:
        run = (await engine.get_run(run_id)).run_id
        return run, await engine.signal(held.token("signal"), run, name, value)
