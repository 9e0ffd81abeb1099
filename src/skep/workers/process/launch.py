"""From a command to a worker: what every form of a program has in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import structs

from skep.errors import WorkerCancelled
from skep.flow.process_limits import NO_LIMITS, ProcessLimits
from skep.ids import WORKER, new_id
from skep.limits import Limits
from skep.workers.base import Completion, Ctx, JoinHandler, Outcome, Worker
from skep.workers.process.attend import Attendant
from skep.workers.process.child import Child, Takes
from skep.workers.process.command import Command, start
from skep.workers.process.confine import confine
from skep.workers.process.output import Output
from skep.workers.process.tree.tree import Tree


def too_late(ctx: Ctx) -> Worker | None:
    """The worker of an attempt that was cancelled before its start."""
    if ctx.cancel_token.reason is None:
        return None
    ended = Completion()
    ended.resolve(WorkerCancelled(f"cancelled before the start: {ctx.cancel_token.reason}"))
    return JoinHandler(new_id(WORKER), ctx.cancel_token, ended)


async def begin(
    prepare: Callable[[str], Command],
    output: Takes,
    limits: Limits,
    own_limits: ProcessLimits,
    *,
    keep_stdin: bool = False,
) -> tuple[Child, Tree]:
    """Start a program within its limits; `prepare` makes its command, given its scratch folder.

    Raises:
        SpawnError: it cannot be started; and what `prepare` raises.
    """
    tree = await Tree.begin()
    try:
        command = prepare(tree.scratch)
        command = structs.replace(command, env=tree.variables() | command.env)
        child = Child(start(command), command.stdin, limits, output, tree, keep_stdin=keep_stdin)
    except BaseException:
        tree.abandon()
        raise
    try:
        confine(tree.begun(), own_limits)
    except BaseException:
        child.destroy()
        raise
    return child, tree


async def launch(
    ctx: Ctx,
    prepare: Callable[[str], Command],
    output: Output,
    limits: Limits,
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - the program's, not that of its start
    own_limits: ProcessLimits = NO_LIMITS,
) -> Worker:
    """Start a program for one attempt and attend to it; `prepare` makes its command, given its scratch folder.

    Raises:
        SpawnError: it cannot be started; and what `prepare` raises.
    """

    def admitted(scratch: str) -> Command:
        ctx.channel.admit_folder(scratch)
        return prepare(scratch)

    child, tree = await begin(admitted, output, limits, own_limits)
    attendant = Attendant(ctx, child, output, limits)

    async def attend() -> Outcome:
        outcome = await attendant.attend(timeout)
        await tree.close()
        return outcome

    attending = asyncio.get_running_loop().create_task(attend())
    attending.add_done_callback(lambda _: child.destroy())
    return JoinHandler(new_id(WORKER), ctx.cancel_token, attending)
