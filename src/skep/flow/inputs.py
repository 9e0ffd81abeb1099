"""The machine's alphabet: what is fed in, what it wants, how it ends. All plain data.

Inputs are made from journal events, in journal order, each fed exactly once.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from skep import values
from skep.core.retry import RetryPolicy
from skep.flow.nodes import OnTimeout


class Started(Struct, frozen=True, tag="started"):
    """The run begins with this ctx."""

    ctx: Any


class Settled(Struct, frozen=True, tag="settled"):
    """A wanted (or dropped) step has ended.

    `value` counts for `pass` and `blocked`; `message` says why for the rest. `agent` and `digest` are
    those recorded at the step's creation: a difference to what the machine wants is `ReplayDiverged`.
    For a dropped step only `key` counts: it means that its worker has ended.
    """

    key: str
    status: Literal["pass", "blocked", "error", "timeout", "cancelled"]
    agent: str
    digest: str
    value: Any = None
    message: str | None = None
    code: str | None = None


class Answered(Struct, frozen=True, tag="answered"):
    """A question of the flow has its answer; `digest` is the one recorded when it was asked."""

    key: str
    digest: str
    value: Any


class Unanswered(Struct, frozen=True, tag="unanswered"):
    """A question of the flow was closed by its deadline; an error, which `try` catches."""

    key: str
    digest: str
    message: str


class TimerFired(Struct, frozen=True, tag="timer_fired"):
    """The time that a `wait` node waits for has come."""

    key: str


class Signalled(Struct, frozen=True, tag="signalled"):
    """A named signal has come in: for the `wait` that has waited longest for it, else for the next one."""

    name: str
    value: Any = None


class CancelRequested(Struct, frozen=True, tag="cancel_requested"):
    """End the whole flow; `try` does not catch it."""

    reason: str


Input = Started | Settled | Answered | Unanswered | TimerFired | Signalled | CancelRequested


class Want(Struct, frozen=True, tag="step"):
    """A step that should exist now.

    `data` is its input as canonical JSON, `digest` the SHA-256 of that.
    """

    key: str
    agent: str
    data: bytes
    digest: str
    retry: RetryPolicy | None = None
    timeout: float | None = None

    @property
    def input(self) -> Any:
        """A copy of the input."""
        return values.decode(self.data)


class AskWant(Struct, frozen=True, tag="ask"):
    """A question that should be open now.

    `audience` are alternatives, `deadline` is seconds from when it is asked, `on_timeout` is `"fail"`
    (`Unanswered`) or `{"value": ...}` (`Answered` with it). `digest` is the SHA-256 of the canonical JSON of
    audience, question and schema.
    """

    key: str
    question: Any
    audience: tuple[str, ...]
    schema: dict[str, Any] | None
    deadline: float | None
    on_timeout: OnTimeout
    approval: bool
    allow_self: bool
    digest: str


class TimerWant(Struct, frozen=True, tag="timer"):
    """A timer that should run now: `seconds` from when it is started, or `until` (ms since the epoch).

    Neither is negative; a moment in the past fires at once.
    """

    key: str
    seconds: float | None = None
    until: int | None = None


class SignalWant(Struct, frozen=True, tag="signal"):
    """A wait for the next signal of this name."""

    key: str
    name: str


AnyWant = Want | AskWant | TimerWant | SignalWant


class Ended(Struct, frozen=True):
    """How the flow ended.

    `error` is `{"code", "message", "step", "fix"?}` with the key of the node where it happened; `reason` is
    that of the cancel request.
    """

    status: Literal["done", "failed", "cancelled"]
    ctx: Any = None
    error: dict[str, Any] | None = None
    reason: str | None = None


class Changes(Struct, frozen=True, gc=False):
    """What one `feed` changed: new wants in program order, keys no longer wanted, the end.

    The end of a `dropped` step is awaited; a `withdrawn` question, timer or signal is forgotten at once.
    """

    wants: tuple[Want, ...] = ()
    dropped: tuple[str, ...] = ()
    ended: Ended | None = None
    asks: tuple[AskWant, ...] = ()
    timers: tuple[TimerWant, ...] = ()
    signals: tuple[SignalWant, ...] = ()
    withdrawn: tuple[str, ...] = ()
