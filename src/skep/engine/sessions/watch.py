"""Sessions end by themselves: with their token's time, and when heartbeats that were promised stay away."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skep.clock import TimerHandle
    from skep.core.session_events import DetachReason
    from skep.core.sessions import SessionState
    from skep.engine.ledger import Ledger

End = Callable[[str, "DetachReason"], None]


class SessionWatch:
    """One timer for each attached session whose log this process owns; `end` is told which has ended, and why."""

    def __init__(self, ledger: Ledger, end: End) -> None:
        self._ledger = ledger
        self._end = end
        self._timers: dict[str, TimerHandle] = {}
        self.ended: deque[str] = deque()
        """The tokens of sessions that have ended lately, by nonce."""
        self._heard: dict[str, int] = {}
        """When each was last heard of, more exactly than recorded. Time before it was watched counts for nobody."""

    def watch(self, session: SessionState) -> None:
        """Begin, anew when it was watched before."""
        self._heard[session.id] = self._ledger.now()
        self._arm(session)

    def heard(self, session: SessionState) -> bool:
        """A heartbeat has come in; whether it is one to be recorded."""
        now = self._ledger.now()
        if session.id in self._heard:
            self._heard[session.id] = now  # its own process listens for all others
        if session.heartbeats:
            return now - session.last_seen >= self._ledger.limits.heartbeat_interval * 1000
        return True

    def forget(self, session_id: str) -> None:
        """Watch it no longer."""
        timer = self._timers.pop(session_id, None)
        if timer is not None:
            timer.cancel()
        self._heard.pop(session_id, None)

    def stop(self) -> None:
        """Watch nothing any longer."""
        for session_id in tuple(self._timers):
            self.forget(session_id)

    def arm(self, session: SessionState) -> None:
        """Look again: what is expected of it has changed."""
        self._arm(session)

    # -- inside --------------------------------------------------------------------------------

    def _arm(self, session: SessionState) -> None:
        timer = self._timers.pop(session.id, None)
        if timer is not None:
            timer.cancel()
        due = min(self._due(session).values(), default=None)
        if due is not None:
            self._timers[session.id] = self._ledger.clock.call_at(due, lambda: self._look(session.id))

    def _due(self, session: SessionState) -> dict[DetachReason, int]:
        due: dict[DetachReason, int] = {}
        record = self._ledger.state.tokens.get(session.token_nonce)
        if record is not None:
            due["expired"] = record.expire_at
        if session.heartbeats:
            limits = self._ledger.limits
            patience = limits.heartbeat_interval * limits.heartbeat_miss_threshold
            due["heartbeat"] = self._heard[session.id] + int(patience * 1000)
        return due

    def _look(self, session_id: str) -> None:
        session = self._ledger.state.sessions.get(session_id)
        if session is None or not session.attached:
            self.forget(session_id)
            return
        now = self._ledger.now()
        for reason, due in self._due(session).items():
            if now >= due:
                self.forget(session_id)
                self._end(session_id, reason)
                return
        self._arm(session)
