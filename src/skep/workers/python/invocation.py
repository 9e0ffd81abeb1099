"""What a Python worker function knows of its attempt and can do with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from skep.core.outcomes import DispatchOutcome
from skep.core.outputs import Artifact, Final, OutputEvent, Partial, Progress, inline
from skep.core.tasks import TaskState
from skep.errors import AttemptEnded, BadValue
from skep.limits import Limits
from skep.values import to_plain
from skep.workers.base import CancelToken, Ctx, Previous
from skep.workers.on_loop import call_on

T = TypeVar("T")

_OUTPUTS = frozenset((Progress, Partial, Artifact, Final))


class Invocation:
    """One attempt, as the function that performs it sees it. Made by `InProcSpawner`, read-only.

    Its methods may be called from any thread: elsewhere than on the event loop they are handed over to it and
    wait for the answer. All raise `AttemptEnded` once the attempt is over.
    """

    __slots__ = ("_ctx", "_heard", "_limits", "_loop", "_said_final", "_thread")

    def __init__(self, ctx: Ctx, limits: Limits) -> None:
        self._ctx = ctx
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._said_final = False
        self._heard = len(ctx.directives)

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
    def meta(self) -> dict[str, Any]:
        """What layers hand inward, such as `project_name_alias`."""
        return self._ctx.meta

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
    def answers(self) -> dict[str, Any]:
        """What questions of this task were answered with before this attempt, by key."""
        return self._ctx.answers

    @property
    def directives(self) -> tuple[Any, ...]:
        """What seniors have injected into this task before this attempt; see `next_directive`."""
        return self._ctx.directives

    async def ask(
        self,
        question: Any,
        *,
        audience: str | Sequence[str] = "senior",
        schema: Any = None,
        deadline: float | None = None,
        default: Any = ...,
        approval: bool = False,
        allow_self: bool = False,
    ) -> Any:
        """Ask somebody outside and wait for the answer, for days if need be; the task is suspended meanwhile.

        After a crash the function begins again; what was answered before is then answered at once.

        Args:
            question: text, or any JSON value.
            audience: who may answer, `senior`, `role:ROLE`, `seat:NAME` or `principal:NAME`, or several of them.
            schema: a JSON Schema that the answer must fit.
            deadline: seconds until nobody need answer any more.
            default: what is then the answer.
            approval: only somebody else than the run's starter may answer.
            allow_self: the starter may approve, too.

        Raises:
            AnswerTimeout: the deadline passed, and there is no `default`.
            QuestionClosed: the question was taken back.
            BadSchema, BadValue, LimitExceeded: it cannot be asked so.
        """
        return await self._ctx.channel.ask(
            to_plain(question),
            audience=audience,
            schema=schema,
            deadline=deadline,
            default=default if default is ... else to_plain(default),
            approval=approval,
            allow_self=allow_self,
        )

    def ask_and_wait(self, question: Any, **how: Any) -> Any:
        """As `ask`, for a sync function: its thread waits. Raises as `ask`; `AttemptEnded` when cancelled."""
        return self.wait(self.ask(question, **how))

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """For a sync function: its thread waits for one of the async methods here, as in `wait(inv.fetch_data("k"))`.

        Raises what the method raises; `AttemptEnded` when cancelled.
        """
        if threading.get_ident() == self._thread:
            coroutine.close()
            raise BadValue("waiting here would hold up the event loop", fix="await it")
        waiting = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        self._ctx.cancel_token.on_cancel(lambda _reason: waiting.cancel())
        try:
            return waiting.result()
        except CancelledError:
            raise AttemptEnded("the attempt was cancelled while it waited") from None

    async def next_directive(self) -> Any:
        """The next thing that a senior injects into this task, as it comes."""
        directive = await self._ctx.channel.next_directive(self._heard)
        self._heard += 1
        return directive

    async def fetch_data(self, key: str) -> Any:
        """A resource of the run, left there by `set_resource`.

        Raises:
            ResourceNotFound: there is none by this key.
        """
        return await self._ctx.channel.acts().fetch_data(key)

    async def start_task(self, agent: str, directive: Any = None) -> str:
        """Open a child task for an agent of the same run; its id. It is cancelled when this attempt ends.

        Raises:
            NotRegistered: the run has no such agent.
            SpawnDepthExceeded, LimitExceeded: too deep, or too many.
            BadValue: a directive that cannot be recorded.
        """
        return await self._ctx.channel.acts().start_task(agent, to_plain(directive))

    async def dispatch(self, task_id: str) -> DispatchOutcome:
        """Run the next attempt of a child, to its end or until it waits for an answer (`Suspended`).

        Raises:
            DispatchFailed: its worker failed.
            InvalidTransition: it is not pending.
            TokenTaskMismatch: it is not a child of this task.
        """
        return await self._ctx.channel.acts().dispatch_attempt(task_id)

    async def poll_task(self, task_id: str, hold: float = 0.0) -> TaskState:
        """A child once it has settled or is suspended; raises `PollTimeout` after `hold` seconds."""
        return await self._ctx.channel.acts().poll_task(task_id, hold)

    async def read_task(self, task_id: str) -> TaskState:
        """A child as it is now, settled or not."""
        return await self._ctx.channel.acts().read_task_state(task_id)

    async def cancel_task(self, task_id: str) -> None:
        """End a child; raises `InvalidTransition` when it has settled."""
        await self._ctx.channel.acts().cancel_task(task_id)

    @property
    def said_final(self) -> bool:
        """Whether the function emitted a `Final` itself."""
        return self._said_final

    def _do(self, act: Callable[..., T], *args: Any) -> T:
        if threading.get_ident() == self._thread:
            return act(*args)
        return call_on(self._loop, act, *args)


def _check_text(value: object, name: str) -> None:
    if not isinstance(value, str):
        raise BadValue(f"{name} is {type(value).__name__}, not text")
