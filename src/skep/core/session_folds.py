"""What the events of sessions and tokens do to the state (R-fold)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skep.core import session_events as ev
from skep.core.sessions import SessionState
from skep.core.tokens import TokenRecord

if TYPE_CHECKING:
    from skep.core.event import Event
    from skep.core.state import EngineState


def _attached(state: EngineState, e: ev.SessionAttached) -> None:
    before = state.sessions.get(e.session_id)
    if before is not None:
        _hide(state, before.token_nonce)
    state.sessions[e.session_id] = SessionState(
        id=e.session_id,
        operator_id=e.operator_id,
        role=e.role,
        attached_at=before.attached_at if before is not None else e.at,
        last_seen=e.at,
        attached=True,
        owned_task_ids=before.owned_task_ids if before is not None else [],
        token_nonce=e.nonce,
        operator_kind=e.operator_kind,
        runtime_agent_kinds=e.runtime_agent_kinds,
        bp_agent_kinds=e.bp_agent_kinds,
        bp_global_kind=e.bp_global_kind,
        bridge_id=e.bridge_id,
        hook_id=e.hook_id,
        operator_backend_id=e.operator_backend_id,
        heartbeats=e.heartbeats,
    )
    state.tokens[e.nonce] = TokenRecord(
        role=e.role,
        agent_id=e.operator_id,
        expire_at=e.expire_at,
        session_id=e.session_id,
        scopes=e.scopes,
        uses_left=e.max_uses,
        parent=e.parent,
    )


def _detached(state: EngineState, e: ev.SessionDetached) -> None:
    """The token ends, the work goes on."""
    session = state.sessions[e.session_id]
    session.attached = False
    session.ended = e.reason
    _hide(state, session.token_nonce)


def _hide(state: EngineState, nonce: str) -> None:
    record = state.tokens.get(nonce)
    if record is not None:
        record.detached = True


def _seen(state: EngineState, e: ev.SessionSeen) -> None:
    session = state.sessions[e.session_id]
    session.last_seen = e.at
    session.heartbeats = True


def _minted(state: EngineState, e: ev.TokenMinted) -> None:
    state.tokens[e.nonce] = TokenRecord(
        role=e.role,
        agent_id=e.principal,
        expire_at=e.expire_at,
        session_id=e.session_id,
        scopes=e.scopes,
        uses_left=e.max_uses,
        parent=e.parent,
    )


def _used(state: EngineState, e: ev.TokenUsed) -> None:
    record = state.tokens[e.nonce]
    if record.uses_left is not None:
        record.uses_left -= 1


def _revoked(state: EngineState, e: ev.TokenRevoked) -> None:
    """A session of which any token was revoked is over."""
    record = state.tokens.get(e.nonce)
    if record is None:
        return  # its session has had another one for long
    record.revoked = True
    session = state.sessions.get(record.session_id or "")
    if session is not None and not session.attached:
        session.ended = "revoked"


HANDLERS: dict[type[Event], Callable[[EngineState, Any], None]] = {
    ev.SessionAttached: _attached,
    ev.SessionDetached: _detached,
    ev.SessionSeen: _seen,
    ev.TokenMinted: _minted,
    ev.TokenUsed: _used,
    ev.TokenRevoked: _revoked,
}
