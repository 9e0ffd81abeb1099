"""What happens to sessions and tokens (DESIGN section 5, *Authority* and *Sessions*)."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from skep.core.event import Event
from skep.core.roles import Role

OperatorKind = Literal["main_ai", "automate", "composite"]
DetachReason = Literal["detached", "heartbeat", "revoked", "expired"]


class OperatorChoice(Struct, frozen=True, omit_defaults=True):
    """What a launch says of who stands behind its agents; ids name what is registered in the engine."""

    kind: OperatorKind | None = None
    agent_kinds: dict[str, OperatorKind] = field(default_factory=dict)
    bridge_id: str | None = None
    hook_id: str | None = None
    backend_id: str | None = None


class SessionAttached(Event, frozen=True, tag="session_attached"):
    """A participant attached, or took its session up again with a fresh token (`nonce`).

    The kinds are the tiers of the published cascade; ids name what is registered in the engine.
    """

    session_id: str
    operator_id: str
    role: Role
    nonce: str
    expire_at: int
    max_uses: int | None = None
    scopes: tuple[str, ...] = ("*",)
    operator_kind: OperatorKind | None = None
    runtime_agent_kinds: dict[str, OperatorKind] = field(default_factory=dict)
    bp_agent_kinds: dict[str, OperatorKind] = field(default_factory=dict)
    bp_global_kind: OperatorKind | None = None
    bridge_id: str | None = None
    hook_id: str | None = None
    operator_backend_id: str | None = None
    parent: str | None = None
    """The nonce of the token that this one was narrowed from."""
    heartbeats: bool = False
    """Whether the participant has said that it will send heartbeats."""


class SessionDetached(Event, frozen=True, tag="session_detached"):
    session_id: str
    reason: DetachReason = "detached"


class SessionSeen(Event, frozen=True, tag="session_seen"):
    """A heartbeat; from the first one on the session must go on with them. One is recorded only now and then."""

    session_id: str


class TokenMinted(Event, frozen=True, tag="token_minted"):
    """A login token without an attached participant; `session_id` names its log. Times are milliseconds."""

    session_id: str
    nonce: str
    principal: str
    role: Role
    expire_at: int
    scopes: tuple[str, ...] = ("*",)
    max_uses: int | None = None
    parent: str | None = None
    label: str | None = None


class TokenUsed(Event, frozen=True, tag="token_used"):
    """One use of a token with limited uses."""

    nonce: str


class TokenRevoked(Event, frozen=True, tag="token_revoked"):
    """The token ends, and with it all that were narrowed from it."""

    nonce: str
