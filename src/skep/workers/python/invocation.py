"""What a Python worker function knows of its attempt and can do with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from skep.core.outputs import Artifact, Final, OutputEvent, Partial, Progress, inline
from skep.errors import AttemptEnded, BadValue
from skep.limits import Limits
from skep.values import to_plain
from skep.workers.base import CancelToken, Ctx, Previous

T = TypeVar("T")

_OUTPUTS = frozenset((Progress, Partial, Artifact, Final))


class Invocation:
    """One attempt, as the function that performs it sees it. Made by `InProcSpawner`, read-only.

    Its methods may be called from any thread: elsewhere than on the event loop they are handed over to it and
    wait for the answer. All raise `AttemptEnded` once the attempt is over.
    """

    __slots__ = ("_ctx", "_limits", "_loop", "_said_final", "_thread")

    def __init__(self, ctx: Ctx, limits: Limits) -> None:
        self._ctx = ctx
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._said_final = False

    @property
    def task_id(self) -> str:
        return self._ctx.task_id

    @property
    def attempt(self) -> int:
        """Counted from 1."""
        return self._ctx.attempt

    @property
    def agent(self) -> str:
        return self._ctx.agent

    @property
    def run_id(self) -> str | None:
        """`None` for a task outside a run."""
        return self._ctx.run_id

    @property
    def step_key(self) -> str | None:
        return self._ctx.step_key

    @property
    def prompt(self) -> str:
        """The input as text: a string verbatim, anything else compact JSON."""
        return self._ctx.prompt

    @property
    def system(self) -> str | None:
        """The agent's system prompt, rendered with this input; `None` for an agent without a profile."""
        return self._ctx.system

    @property
    def input(self) -> Any:
        """The step's input as a JSON value; a copy, yours to change."""
        return self._ctx.input

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts of the task, and after a crash: for systems that must not act twice."""
        return self._ctx.idempotency_key

    @property
    def previous(self) -> Previous | None:
        """Why the attempt before this one ended; `None` in the first."""
        return self._ctx.previous

    @property
    def last_checkpoint(self) -> Any:
        """What an earlier attempt gave to `checkpoint` last."""
        return self._ctx.last_checkpoint

    @property
    def work_dir(self) -> str | None:
        """The run's working directory, an absolute path."""
        return self._ctx.work_dir

    @property
    def cancel_token(self) -> CancelToken:
        """A sync function that runs long should look at `cancel_token.cancelled` now and then."""
        return self._ctx.cancel_token

    @property
    def token(self) -> str:
        """The attempt's capability."""
        return self._do(self._ctx.channel.token)

    def emit(self, event: OutputEvent) -> None:
        """Record one output event.

        A function that emits a `Final` itself and returns `None` has no further result.

        Raises:
            BadValue, BadFileRef, LimitExceeded: the event cannot be recorded.
        """
        if type(event) not in _OUTPUTS:
            raise BadValue(f"{type(event).__name__} is not an output event", fix="see skep.core.outputs")
        self._do(self._ctx.channel.emit, event)
        if type(event) is Final:
            self._said_final = True

    def progress(self, stage: str, note: str | None = None) -> None:
        """Say where the work is; shown live, not kept in the journal."""
        _check_text(stage, "stage")
        if note is not None:
            _check_text(note, "note")
        self._do(self._ctx.channel.emit, Progress(stage, note))

    def partial(self, chunk: str) -> None:
        """Hand on a piece of output as it comes; shown live, not kept in the journal."""
        _check_text(chunk, "chunk")
        self._do(self._ctx.channel.emit, Partial(chunk))

    def artifact(self, name: str, value: Any) -> None:
        """Record a named part of the result.

        Raises:
            BadValue, LimitExceeded: `value` cannot be recorded.
        """
        _check_text(name, "name")
        content = inline(to_plain(value), self._limits, where=f"artifact {name}")
        self._do(self._ctx.channel.emit, Artifact(name, content))

    def checkpoint(self, value: Any) -> None:
        """Keep `value` for the next attempt of this task, should this one fail.

        Raises:
            BadValue, LimitExceeded: `value` cannot be recorded.
        """
        self._do(self._ctx.channel.checkpoint, to_plain(value))

    @property
    def said_final(self) -> bool:
        """Whether the function emitted a `Final` itself."""
        return self._said_final

    def _do(self, act: Callable[..., T], *args: Any) -> T:
        if threading.get_ident() == self._thread:
            return act(*args)
        answer: Future[T] = Future()

        def perform() -> None:
            try:
                answer.set_result(act(*args))
            except BaseException as error:  # noqa: BLE001 - it belongs to the thread that waits
                answer.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(perform)
        except RuntimeError as error:
            raise AttemptEnded("the event loop of this attempt is closed") from error
        return answer.result()


def _check_text(value: object, name: str) -> None:
    if not isinstance(value, str):
        raise BadValue(f"{name} is {type(value).__name__}, not text")
