"""`skep resume`: go on with a run that was suspended, or whose host died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skep.cli.options import Json, RunId, Store

if TYPE_CHECKING:
    from skep.cli.report import Report
    from skep.engine.engine import Engine
    from skep.flow.nodes import Node


def resume(run_id: RunId, *, store: Store = None, as_json: Json = False) -> int:
    """Go on with an interrupted or suspended run where it was."""
    import asyncio
    import time

    from skep.cli.report import reported

    with reported(as_json) as report:
        return asyncio.run(_resume(run_id, store, report, as_json=as_json, since=time.time_ns() // 1_000_000))


async def _resume(run_id: str, store: str | None, report: Report, *, as_json: bool, since: int) -> int:
    from skep.cli.follow import Following
    from skep.cli.interrupts import Interrupts
    from skep.cli.store import open_engine
    from skep.errors import InvalidTransition

    async with open_engine(store, works=True) as engine:
        with Interrupts(report) as interrupts:
            try:
                handle = await engine.resume_run(run_id)
            except InvalidTransition as error:
                report.ended = await engine.get_run(run_id)
                raise InvalidTransition(error.what, fix=f"skep show {report.ended.run_id}") from error
            report.run_id = handle.id
            flow = await flow_of(engine, handle.id)
            following = Following(engine, handle, store)
            return await following.follow(flow, interrupts, as_json=as_json, since=since)


async def flow_of(engine: Engine, run_id: str) -> Node:
    """The flow that a run was started with."""
    from skep.flow.blueprint import parse_blueprint
    from skep.values import decode

    info = await engine.get_run(run_id)
    document = await engine.journal.get_blob(info.blueprint, log=f"run:{run_id}")
    return parse_blueprint(decode(document)).flow
