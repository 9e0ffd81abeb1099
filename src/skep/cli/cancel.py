"""`skep cancel`: end a run, whichever process works on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skep.cli.answer import say_delivered
from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import Json, RunId, Store

if TYPE_CHECKING:
    from skep.engine.inbox.elsewhere import Delivered


def cancel(
    run_id: RunId, *, token_file: TokenFile = None, store: Store = None, as_json: Json = False
) -> None:
    """Cancel a run, also one that another process works on."""
    import asyncio

    from skep.cli.report import reported

    with reported(as_json):
        name, delivered = asyncio.run(_cancel(store, held_tokens(token_file), run_id))
        say_delivered({}, delivered, f"{name} is being cancelled", name, store, as_json=as_json)


async def _cancel(store: str | None, held: Held, run_id: str) -> tuple[str, Delivered]:
    from skep.cli.store import open_engine

    async with open_engine(store) as engine:
        name = (await engine.get_run(run_id)).run_id
        return name, await engine.cancel_run(held.token("cancel_run"), name)
