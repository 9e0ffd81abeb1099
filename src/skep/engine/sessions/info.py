"""Sessions as they are shown, and read from the store: never a secret, and no nonce (R-secret)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from skep.core.roles import Role
from skep.core.session_events import DetachReason, OperatorKind
from skep.core.sessions import SessionState
from skep.core.state import EngineState
from skep.core.tokens import token_id
from skep.engine.tokens.listing import entries
from skep.errors import SessionNotFound
from skep.journal.base import Journal


class SessionInfo(Struct, frozen=True, kw_only=True):
    """The published session record; `token` is the id of its token. Times are milliseconds since the epoch.

    `owned_task_ids` are its open tasks. Where another process owns the session, `last_seen` may be older by one
    `heartbeat_interval` than what that process knows.
    """

    id: str
    operator_id: str
    role: Role
    attached_at: int
    last_seen: int
    attached: bool
    owned_task_ids: tuple[str, ...]
    token: str
    operator_kind: OperatorKind | None
    runtime_agent_kinds: Mapping[str, OperatorKind]
    bp_agent_kinds: Mapping[str, OperatorKind]
    bp_global_kind: OperatorKind | None
    bridge_id: str | None
    hook_id: str | None
    operator_backend_id: str | None
    heartbeats: bool
    ended: DetachReason | None


def shown(session: SessionState) -> SessionInfo:
    """A snapshot."""
    return SessionInfo(
        id=session.id,
        operator_id=session.operator_id,
        role=session.role,
        attached_at=session.attached_at,
        last_seen=session.last_seen,
        attached=session.attached,
        owned_task_ids=tuple(session.owned_task_ids),
        token=token_id(session.token_nonce),
        operator_kind=session.operator_kind,
        runtime_agent_kinds=dict(session.runtime_agent_kinds),
        bp_agent_kinds=dict(session.bp_agent_kinds),
        bp_global_kind=session.bp_global_kind,
        bridge_id=session.bridge_id,
        hook_id=session.hook_id,
        operator_backend_id=session.operator_backend_id,
        heartbeats=session.heartbeats,
        ended=session.ended,
    )


async def read_session(journal: Journal, session_id: str) -> SessionInfo:
    """A session from its log, detached ones too.

    Raises:
        SessionNotFound: the store has none of this id.
    """
    state = EngineState()
    after = 0
    while page := await journal.read(f"session:{session_id}", after):
        for recorded in page:
            state.apply(recorded.event)
        after = page[-1].version
    session = state.sessions.get(session_id)
    if session is None:
        raise SessionNotFound(f"no session {session_id[:64]!r} in this store")
    return shown(session)


async def read_sessions(journal: Journal) -> list[SessionInfo]:
    """The attached sessions of a store, oldest first."""
    found: list[SessionInfo] = []
    async for entry in entries(journal):
        try:
            session = await read_session(journal, entry.log.removeprefix("session:"))
        except SessionNotFound:
            continue  # a login's token: nobody has attached with it
        if session.attached:
            found.append(session)
    return found
