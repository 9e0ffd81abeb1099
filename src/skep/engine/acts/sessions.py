"""The acts on sessions: attach, keep alive, take up again, detach (DESIGN section 5, *Sessions*).

A session is a participant that has attached: a token, and what the published cascade knows of who stands behind the
agents of its tasks. Its end ends the token, not the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict, Unpack

from msgspec import Struct, field, structs

from skep import values
from skep.core import events as ev
from skep.core.authority import ACTS, check_scopes, facts_of
from skep.core.roles import ROLES, Role
from skep.core.scopes import ALL, attenuate, parse_scopes
from skep.core.session_events import OperatorKind
from skep.engine.acts.tokens import end_of, uses_of
from skep.engine.runs.launch import MAX_ID, check_id, check_kind, check_kinds
from skep.engine.sessions.info import SessionInfo, read_session, read_sessions, shown
from skep.engine.sessions.life import SessionLife
from skep.errors import BadValue, RoleViolation, RunOwned, SessionNotFound, TokenRevoked
from skep.ids import new_id, new_nonce

if TYPE_CHECKING:
    from skep.core.sessions import SessionState
    from skep.core.tokens import TokenRecord
    from skep.engine.tokens.office import Bearer
    from skep.workers.backends import OperatorInfo


class AttachOptions(TypedDict, total=False):
    """What every form of attach takes besides who and for how long.

    `max_uses` calls (by default any number) within `scopes` (by default all that may be given). `session_id` takes
    that session up again: its older token ends. `heartbeats` promises them: the session is detached when they stay
    away. `token` is who attaches, if not the owner of the process.
    """

    max_uses: int | None
    scopes: Sequence[str] | None
    session_id: str | None
    heartbeats: bool
    token: Bearer | None


class Standing(Struct, frozen=True, kw_only=True):
    """The part of a session that says who stands behind agents; fields as in `session_attached`."""

    operator_kind: OperatorKind | None = None
    runtime_agent_kinds: dict[str, OperatorKind] = field(default_factory=dict)
    bp_agent_kinds: dict[str, OperatorKind] = field(default_factory=dict)
    bp_global_kind: OperatorKind | None = None
    bridge_id: str | None = None
    hook_id: str | None = None
    operator_backend_id: str | None = None


class Bounds(Struct, frozen=True, kw_only=True):
    """What a new token of a session must be within: the token that was shown, the scopes that it had before."""

    shown: TokenRecord | None = None
    scopes: tuple[str, ...] = ALL
    parent: str | None = None


class SessionActs(SessionLife):
    """Sessions as methods; a base of `Engine`."""

    async def attach(
        self, operator_id: str, role: Role, ttl: float | None = None, **options: Unpack[AttachOptions]
    ) -> str:
        """Open a session, or take one up again; returns its token, which lives `ttl` seconds (by default an hour).

        The kind of operator of its tasks is `automate`, explicitly. A session that is taken up keeps what it had.

        Raises:
            RoleViolation: no such role, or not that of the token that attaches.
            SessionNotFound: no such session of this operator and role, or not this token's to take up.
            TokenRevoked: the session was revoked.
            RunOwned: another live process holds the session.
            BadScope, ScopeWidened, BadValue, LimitExceeded: arguments that cannot be used.
        """
        before = await self._before(options)
        standing = Standing(operator_kind="automate") if before is None else _standing(before)
        return await self._attach(operator_id, role, ttl, standing, before=before, options=options)

    async def attach_with(
        self,
        operator_id: str,
        role: Role,
        info: OperatorInfo,
        ttl: float | None = None,
        **options: Unpack[AttachOptions],
    ) -> str:
        """As `attach`, with the bridge, hook and operator that stand behind the agents of the session's tasks.

        They are registered under ids of their own until the session is detached.
        """
        kind = check_kind(info.kind, "kind")
        before = await self._before(options)
        ids = self.dispatcher.backends.register_inline(info)
        standing = Standing(operator_kind=kind, bridge_id=ids[0], hook_id=ids[1], operator_backend_id=ids[2])
        try:
            text = await self._attach(operator_id, role, ttl, standing, before=before, options=options)
        except BaseException:
            self.dispatcher.backends.unregister_inline(ids)
            raise
        if before is not None:
            self.dispatcher.backends.unregister_inline(
                (before.bridge_id, before.hook_id, before.operator_backend_id)
            )
        return text

    async def attach_with_ids(
        self,
        operator_id: str,
        role: Role,
        ttl: float | None = None,
        *,
        kind: OperatorKind | None = None,
        bridge_id: str | None = None,
        hook_id: str | None = None,
        operator_backend_id: str | None = None,
        runtime_agent_kinds: Mapping[str, OperatorKind] | None = None,
        bp_agent_kinds: Mapping[str, OperatorKind] | None = None,
        bp_global_kind: OperatorKind | None = None,
        **options: Unpack[AttachOptions],
    ) -> str:
        """As `attach`, with every tier of the cascade, and backends by the ids that they are registered under.

        A kind that is not given counts as unset. Whether an id is registered is seen when an attempt needs it.
        """
        standing = Standing(
            operator_kind=None if kind is None else check_kind(kind, "kind"),
            runtime_agent_kinds=check_kinds(runtime_agent_kinds or {}, "runtime_agent_kinds"),
            bp_agent_kinds=check_kinds(bp_agent_kinds or {}, "bp_agent_kinds"),
            bp_global_kind=None if bp_global_kind is None else check_kind(bp_global_kind, "bp_global_kind"),
            bridge_id=check_id(bridge_id, "bridge_id"),
            hook_id=check_id(hook_id, "hook_id"),
            operator_backend_id=check_id(operator_backend_id, "operator_backend_id"),
        )
        before = await self._before(options)
        return await self._attach(operator_id, role, ttl, standing, before=before, options=options)

    async def detach(self, token: Bearer) -> None:
        """End one's own session: its token ends at once, what was started with it goes on.

        Raises:
            SessionNotFound: the token is not that of an attached session.
            EngineError: the process that owns the session does not answer; it will find the request when it does.
        """
        session = await self._own_session(token, "detach")
        log = f"session:{session.id}"
        if await self.dispatcher.tokens.logs.own(log):
            self._end_session(session.id, "detached")
            await self.ledger.flushed()
        else:
            await self._ask_owner("detach", session.token_nonce, log)

    async def heartbeat(self, token: Bearer) -> SessionInfo:
        """Say that one is still there; from the first one on, they must go on.

        A session of which none has come for `heartbeat_interval` times `heartbeat_miss_threshold` is detached.

        Raises:
            SessionNotFound: the token is not that of an attached session.
        """
        session = await self._own_session(token, "heartbeat")
        await self._keep_alive(session)
        return shown(session)

    async def get_session(self, session_id: str, *, token: Bearer | None = None) -> SessionInfo:
        """A session of the store, detached ones too.

        Raises:
            SessionNotFound: there is none of this id.
        """
        values.check_text(session_id, "session_id", MAX_ID)
        await self.admit(token, "get_session")
        await self.ledger.flushed()
        known = self.ledger.state.sessions.get(session_id)
        owned = f"session:{session_id}" in self.dispatcher.tokens.logs.owned
        return shown(known) if known is not None and owned else await read_session(self._journal, session_id)

    async def list_sessions(self, *, token: Bearer | None = None) -> list[SessionInfo]:
        """The attached sessions of the store, whichever process owns them, oldest first."""
        await self.admit(token, "list_sessions")
        await self.ledger.flushed()
        return await read_sessions(self._journal)

    # -- inside --------------------------------------------------------------------------------

    async def _attach(
        self,
        operator_id: str,
        role: Role,
        ttl: float | None,
        standing: Standing,
        *,
        before: SessionState | None,
        options: AttachOptions,
    ) -> str:
        if role not in ROLES:
            raise RoleViolation(role, "attach_session")
        if not values.check_text(operator_id, "operator_id", MAX_ID):
            raise BadValue("a session needs an operator", where="operator_id")
        bounds = await self._bounds(operator_id, role, before, options.get("token"))
        given = options.get("scopes")
        scopes = attenuate(bounds.scopes, parse_scopes(bounds.scopes if given is None else given))
        now = self.ledger.now()
        event = ev.SessionAttached(
            at=now,
            session_id=before.id if before is not None else new_id("S-"),
            operator_id=operator_id,
            role=role,
            nonce=new_nonce(),
            expire_at=end_of(now, ttl, bounds.shown),
            max_uses=uses_of(options.get("max_uses"), bounds.shown),
            scopes=scopes,
            parent=bounds.parent,
            heartbeats=options.get("heartbeats", before.heartbeats if before is not None else False),
            **structs.asdict(standing),
        )
        log = f"session:{event.session_id}"
        if before is None:
            await self.dispatcher.tokens.logs.begin(log)
        self.ledger.commit(log, (event,))
        self.sessions.watch(self.ledger.state.sessions[event.session_id])
        await self.ledger.flushed()
        return self.dispatcher.tokens.issue(event.nonce, now)

    async def _before(self, options: AttachOptions) -> SessionState | None:
        """The session that is to be taken up again, which this process owns from here on."""
        session_id, token = options.get("session_id"), options.get("token")
        if session_id is None:
            await self._vet(token, "attach")
            return None
        values.check_text(session_id, "session_id", MAX_ID)
        bearer = await self._vet(token, "heartbeat")  # what everyone may do to a session of their own
        if bearer.session_id != session_id:
            bearer = await self._vet(token, "attach")
            check_scopes(ACTS["attach"], bearer.scopes, facts_of(ACTS["attach"], {}))
        log = f"session:{session_id}"
        await self.ledger.flushed()
        known = await read_session(self._journal, session_id)
        if token is not None and (bearer.agent_id, bearer.role) != (known.operator_id, known.role):
            raise SessionNotFound(f"session {session_id} is not this token's to take up")
        if not await self.dispatcher.tokens.logs.own(log):
            raise RunOwned(f"session {session_id} is held by another process", fix="attach again there")
        session = self.ledger.state.sessions[session_id]
        if session.ended == "revoked":
            raise TokenRevoked(f"session {session_id} was revoked", fix="attach a new one")
        return session

    async def _bounds(
        self, operator_id: str, role: Role, before: SessionState | None, token: Bearer | None
    ) -> Bounds:
        """What the bearer may attach; the owner of the process anything, but a session stays one operator's."""
        if before is not None and (before.operator_id, before.role) != (operator_id, role):
            raise SessionNotFound(f"session {before.id} is not one of {operator_id} as {role}")
        old = self.ledger.state.tokens.get(before.token_nonce) if before is not None else None
        kept = old.scopes if old is not None else ALL
        if token is None:
            return Bounds(scopes=ALL if before is None else kept)
        if before is not None and old is not None and await self._is_own(token, before):
            return Bounds(shown=old, scopes=kept, parent=old.parent)
        parent = await self._parent(token, "attach")
        assert parent is not None  # noqa: S101 - a token was given
        nonce, record = parent
        if (record.agent_id, record.role) != (operator_id, role):
            if before is not None:
                raise SessionNotFound(f"session {before.id} is not this token's to take up")
            raise RoleViolation(record.role, f"attach_session as {operator_id} ({role})")
        return Bounds(shown=record, scopes=record.scopes, parent=nonce)

    async def _is_own(self, token: Bearer, session: SessionState) -> bool:
        """Whether it is the token of the session itself, still in force."""
        await self.admit(token, "heartbeat")
        return self.dispatcher.tokens.nonce(token) == session.token_nonce

    async def _own_session(self, token: Bearer, act: str) -> SessionState:
        record = await self.admit(token, act)
        session = self.ledger.state.sessions.get(record.session_id or "")
        if session is None or session.token_nonce != self.dispatcher.tokens.nonce(token):
            raise SessionNotFound("the token is not that of an attached session", fix="attach first")
        return session


def _standing(session: SessionState) -> Standing:
    return Standing(
        operator_kind=session.operator_kind,
        runtime_agent_kinds=dict(session.runtime_agent_kinds),
        bp_agent_kinds=dict(session.bp_agent_kinds),
        bp_global_kind=session.bp_global_kind,
        bridge_id=session.bridge_id,
        hook_id=session.hook_id,
        operator_backend_id=session.operator_backend_id,
    )
