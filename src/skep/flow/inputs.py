"""The machine's alphabet: what is fed in, what it wants, how it ends. All plain data.

Inputs are made from journal events, in journal order, each fed exactly once.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from skep.core.retry import RetryPolicy


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


class CancelRequested(Struct, frozen=True, tag="cancel_requested"):
    """End the whole flow; `try` does not catch it."""

    reason: str


Input = Started | Settled | CancelRequested


class Want(Struct, frozen=True):
    """A step that should exist now.

    `input` must not be mutated; `digest` is the SHA-256 of its canonical JSON.
    """

    key: str
    agent: str
    input: Any
    digest: str
    retry: RetryPolicy | None = None
    timeout: float | None = None


class Ended(Struct, frozen=True):
    """How the flow ended.

    `error` is `{"code", "message", "step", "fix"?}` with the key of the node where it happened; `reason` is
    that of the cancel request.
    """

    status: Literal["done", "failed", "cancelled"]
    ctx: Any = None
    error: dict[str, Any] | None = None
    reason: str | None = None


class Changes(Struct, frozen=True):
    """What one `feed` changed: new wants in program order, keys no longer wanted, the end."""

    wants: tuple[Want, ...] = ()
    dropped: tuple[str, ...] = ()
    ended: Ended | None = None
