"""`skep tail`: what happens in a run, whichever process works on it."""

from __future__ import annotations

import sys

from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.events import Json
from skep.cli.options import RunId, Store


def tail(run_id: RunId, *, token_file: TokenFile = None, store: Store = None, as_json: Json = False) -> None:
    """Print what has happened in a run, and go on as it happens until the run has ended."""
    import asyncio

    from skep.cli import exits
    from skep.cli.interrupts import install
    from skep.cli.leaving import leave

    install(lambda _number, _frame: leave(exits.CANCELLED, "running", "left; the run goes on"))
    asyncio.run(_tail(run_id, store, held_tokens(token_file), as_json=as_json))


async def _tail(run_id: str, store: str | None, held: Held, *, as_json: bool) -> None:
    from skep.cli.json_out import json_text
    from skep.cli.store import open_engine
    from skep.cli.view.model import RunView
    from skep.cli.view.plain import line

    token = held.token("run_events")
    async with open_engine(store) as engine:
        run = (await engine.get_run(run_id)).run_id
        view = RunView()
        async for item in engine.run_events(run, follow=True, streams=True, token=token):
            task = view.apply(item)
            text = json_text(item) if as_json else line(view, item, task)
            if text is not None:
                sys.stdout.write(f"{text}\n")
                sys.stdout.flush()
