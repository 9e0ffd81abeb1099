"""`LuaSpawner`: a script as a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from skep.errors import LuaError, SkepError, WorkerCancelled, WorkerError, WorkerFailed
from skep.ids import WORKER, new_id
from skep.limits import DEFAULT_LIMITS, Limits
from skep.lua.runner import Runner, Script
from skep.values import clean_text, decode_untrusted
from skep.workers.base import Ctx, JoinHandler, Outcome, Worker
from skep.workers.completion import MAX_ERROR_TEXT, failed, is_being_cancelled
from skep.workers.lua.bridges import EMIT, Bridge, host_functions
from skep.workers.lua.result import final_of

_HEAD = f"{EMIT} = host.{EMIT}; "
"""Before a script's first line, whose number stays."""


class LuaSpawner:
    """Runs one script for each attempt, in a VM that no other attempt sees.

    Its globals are `_PROMPT _AGENT _TASK_ID _ATTEMPT _CTX`, `host.<name>` and `emit`. What it returns is emitted as a
    `Final` before the worker ends; any error is `WorkerFailed` with the script's name, line and traceback.

    Args:
        script: the source and its name.
        runner: gives the runner of each attempt.
        host: what the script may call. Async functions need a runner that works in a thread.
        limits: for the values that go out.
    """

    runs_ahead = True

    def __init__(
        self,
        script: Script,
        runner: Callable[[Ctx], Runner],
        host: Mapping[str, Bridge] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.script = script
        self._runner = runner
        self._host = dict(host or {})
        self._limits = limits

    async def spawn(self, ctx: Ctx) -> Worker:
        """Start the script."""
        task = asyncio.get_running_loop().create_task(self._outcome(ctx))
        _running.add(task)
        task.add_done_callback(_running.discard)
        return JoinHandler(new_id(WORKER), ctx.cancel_token, task)

    async def perform(self, ctx: Ctx) -> None:
        """See `Performer`."""
        outcome = await self._outcome(ctx)
        if outcome is not None:
            raise outcome

    async def _outcome(self, ctx: Ctx) -> Outcome:
        try:
            script = Script(_HEAD + self.script.source, self.script.name)
            returned = await self._runner(ctx).run(
                script,
                variables(ctx, self._limits),
                host=host_functions(self._host, ctx, self._limits),
                cancel=ctx.cancel_token,
            )
            if ctx.cancel_token.reason is not None:
                return WorkerCancelled(ctx.cancel_token.reason)
            ctx.channel.deliver(final_of(returned, self._limits))
        except WorkerError as error:
            return error
        except SkepError as error:
            return _failure(error)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
                raise
            return failed(error, "lua: ")
        return None


def variables(ctx: Ctx, limits: Limits = DEFAULT_LIMITS) -> dict[str, Any]:
    """The globals of an attempt; `_CTX` is not there if the prompt is no JSON, or `null`."""
    given = ctx.input
    if isinstance(given, str):
        try:
            given = decode_untrusted(given, limits, where="prompt")
        except SkepError:
            given = None
    fixed = {
        "_PROMPT": ctx.prompt,
        "_AGENT": ctx.agent,
        "_TASK_ID": ctx.task_id,
        "_ATTEMPT": ctx.attempt,
    }
    return fixed if given is None else {**fixed, "_CTX": given}


def _failure(error: SkepError) -> WorkerFailed:
    text = f"lua: {error}"
    if isinstance(error, LuaError) and error.traceback:
        text = f"{text}\n{error.traceback}"
    failure = WorkerFailed(clean_text(text, MAX_ERROR_TEXT))
    failure.__cause__ = error
    return failure


_running: set[asyncio.Task[Outcome]] = set()
"""The event loop refers only weakly to its tasks."""
