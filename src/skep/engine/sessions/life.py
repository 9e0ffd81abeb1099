"""How sessions stay and end: heartbeats, the end of their token, and what leaves with them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from skep.core import events as ev
from skep.engine.acts.tokens import TokenActs
from skep.engine.sessions.watch import SessionWatch
from skep.errors import SkepError

if TYPE_CHECKING:
    from skep.core.session_events import DetachReason
    from skep.core.sessions import SessionState
    from skep.engine.runs.launchers import Launchers
    from skep.journal.base import Journal
    from skep.workers.backends import Operator, SeniorBridge, SpawnHook

log = logging.getLogger("skep.engine")


class SessionLife(TokenActs):
    """What the acts on sessions and tokens share; a base of `SessionActs`."""

    sessions: SessionWatch
    launchers: Launchers

    @property
    def _journal(self) -> Journal:
        return self.ledger.journal

    # -- backends ------------------------------------------------------------------------------

    def register_senior_bridge(self, bridge_id: str, bridge: SeniorBridge) -> None:
        """Register a senior bridge; the last one of an id counts. Attempts that wait for it go on."""
        self.dispatcher.backends.bridges.register(bridge_id, bridge)

    def unregister_senior_bridge(self, bridge_id: str) -> None:
        """Forget it; harmless when there is none."""
        self.dispatcher.backends.bridges.unregister(bridge_id)

    def list_senior_bridge_ids(self) -> list[str]:
        """The ids of the registered senior bridges."""
        return self.dispatcher.backends.bridges.ids()

    def register_spawn_hook(self, hook_id: str, hook: SpawnHook) -> None:
        """Register a spawn hook; the last one of an id counts. Attempts that wait for it go on."""
        self.dispatcher.backends.hooks.register(hook_id, hook)

    def unregister_spawn_hook(self, hook_id: str) -> None:
        """Forget it; harmless when there is none."""
        self.dispatcher.backends.hooks.unregister(hook_id)

    def list_spawn_hook_ids(self) -> list[str]:
        """The ids of the registered spawn hooks."""
        return self.dispatcher.backends.hooks.ids()

    def register_operator(self, operator_id: str, operator: Operator) -> None:
        """Register an operator; the last one of an id counts. Attempts that wait for it go on."""
        self.dispatcher.backends.operators.register(operator_id, operator)

    def unregister_operator(self, operator_id: str) -> None:
        """Forget it; harmless when there is none."""
        self.dispatcher.backends.operators.unregister(operator_id)

    def list_operator_ids(self) -> list[str]:
        """The ids of the registered operators."""
        return self.dispatcher.backends.operators.ids()

    # -- life ----------------------------------------------------------------------------------

    def revoke_here(self, nonce: str, log: str) -> None:
        """As the base, and with the token its session ends, and every run here that was launched with it."""
        session_id = log.removeprefix("session:")
        session = self.ledger.state.sessions.get(session_id)
        if session is not None and session.token_nonce != nonce:
            super().revoke_here(nonce, log)  # an older one of the session
            nonce = session.token_nonce
        revoked = ev.TokenRevoked(at=self.ledger.now(), nonce=nonce)
        if not self._end_session(session_id, "revoked", revoked):
            super().revoke_here(nonce, log)
            self.background.run(self._leave(session_id))
        self.launchers.revoked(session_id)

    def carry_out(self, kind: str, nonce: str, log: str) -> bool:
        """As the base, and what is asked of sessions."""
        session = self.ledger.state.sessions.get(log.removeprefix("session:"))
        if session is not None and session.attached and session.token_nonce == nonce:
            if kind == "detach":
                return self._end_session(session.id, "detached")
            if kind == "heartbeat":
                self._heard(session)
                return True
        return super().carry_out(kind, nonce, log)

    async def _keep_alive(self, session: SessionState) -> None:
        """A heartbeat of a session, whichever process owns it."""
        name = f"session:{session.id}"
        if await self.dispatcher.tokens.logs.own(name):
            self._heard(session)
            await self.ledger.flushed()
        elif self.sessions.heard(session):
            await self._journal.send(name, {"kind": "heartbeat", "nonce": session.token_nonce})

    def _heard(self, session: SessionState) -> None:
        """A heartbeat of a session that this process owns; recorded once in a `heartbeat_interval`."""
        if self.sessions.heard(session):
            event = ev.SessionSeen(at=self.ledger.now(), session_id=session.id)
            self.ledger.commit(f"session:{session.id}", (event,))
            self.sessions.arm(session)

    def _end_session(self, session_id: str, reason: DetachReason, *first: ev.Event) -> bool:
        """Record the end of a session that this process owns, after what goes `first`; false when it has ended."""
        session = self.ledger.state.sessions.get(session_id)
        if session is None or not session.attached:
            return False
        event = ev.SessionDetached(at=self.ledger.now(), session_id=session_id, reason=reason)
        self.ledger.commit(f"session:{session_id}", (*first, event))
        self.sessions.forget(session_id)
        self.dispatcher.backends.unregister_inline(
            (session.bridge_id, session.hook_id, session.operator_backend_id)
        )
        self.background.run(self._leave(session_id))
        return True

    def _time_out_session(self, session_id: str, reason: DetachReason) -> None:
        """As `end_session`, for a timer: where the store has failed, everybody has been told already."""
        try:
            self._end_session(session_id, reason)
        except SkepError as error:
            log.warning("the end of session %s (%s) could not be recorded: %s", session_id, reason, error)

    def _session_owned(self, name: str) -> None:
        """This process owns the log of a session, or of a login, from here on."""
        session = self.ledger.state.sessions.get(name.removeprefix("session:"))
        if session is not None and session.attached:
            self.sessions.watch(session)

    # -- inside --------------------------------------------------------------------------------

    async def _leave(self, session_id: str) -> None:
        """A session leaves memory, and its log our hands, when it has ended and no task of it is open."""
        await self.ledger.flushed()
        state = self.ledger.state
        while True:
            session = state.sessions.get(session_id)
            if session is None or session.attached:
                return
            if not session.owned_task_ids:
                break
            task_id = session.owned_task_ids[0]
            await self.ledger.waiters.until(task_id, lambda task_id=task_id: task_id not in state.tasks)
        await self.ledger.flushed()
        if not session.attached and state.sessions.get(session_id) is session:
            del state.sessions[session_id]
            self._remember_ended(session.token_nonce)
            await self.dispatcher.tokens.logs.let_go(f"session:{session_id}")

    def _remember_ended(self, nonce: str) -> None:
        """That the last tokens have ended is said without a look into the store; older ones are just not known."""
        ended = self.sessions.ended
        ended.append(nonce)
        if len(ended) > self.ledger.limits.ended_sessions:
            self.ledger.state.tokens.pop(ended.popleft(), None)
