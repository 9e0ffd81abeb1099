"""`skep resume`: go on with a run that was suspended, or whose host died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import Json, RunId, Store, Wait

if TYPE_CHECKING:
    from skep.cli.report import Report
    from skep.engine.engine import Engine
    from skep.flow.nodes import Node


def resume(
    run_id: RunId,
    *,
    wait: Wait = False,
    token_file: TokenFile = None,
    store: Store = None,
    as_json: Json = False,
) -> int:
    """Go on with an interrupted or suspended run where it was."""
    import asyncio
    import time

    from skep.cli.report import reported

    with reported(as_json) as report:
        since = time.time_ns() // 1_000_000
        return asyncio.run(_resume(run_id, store, held_tokens(token_file), report, wait=wait, since=since))


async def _resume(
    run_id: str, store: str | None, held: Held, report: Report, *, wait: bool, since: int
) -> int:
    from skep.cli.follow import Following
    from skep.cli.interrupts import Interrupts
    from skep.cli.store import open_engine
    from skep.errors import InvalidTransition

    async with open_engine(store, works=True) as engine:
        with Interrupts(report) as interrupts:
            try:
                handle = await engine.resume_run(run_id, token=held.token("resume_run"))
            except InvalidTransition as error:
                report.ended = await engine.get_run(run_id, token=held.token("get_run"))
                raise InvalidTransition(error.what, fix=f"skep show {report.ended.run_id}") from error
            report.run_id = handle.id
            flow = await flow_of(engine, handle.id)
            following = Following(engine, handle, store, held, wait=wait)
            return await following.follow(flow, interrupts, as_json=report.as_json, since=since)


async def flow_of(engine: Engine, run_id: str) -> Node:
    """The flow that a run was started with."""
    from skep.flow.blueprint import parse_blueprint
    from skep.values import decode

    info = await engine.get_run(run_id)
    document = await engine.journal.get_blob(info.blueprint, log=f"run:{run_id}")
    return parse_blueprint(decode(document)).flow
