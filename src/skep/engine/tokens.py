"""Minting and verifying capabilities (DESIGN section 5, *Authority* and *Tokens*).

A token is signed only when it leaves the process; its record is made by the event that begins an attempt or
a session. Verification goes signature, expiry, gate, record, ownership, uses: a refused call spends nothing.
"""

from __future__ import annotations

from skep.core import events as ev
from skep.core.roles import check_gate
from skep.core.tasks import TaskState
from skep.core.tokens import CapToken, TokenRecord, check_signature, decode_token, encode_token, sign
from skep.engine.keys import KeyRing
from skep.engine.ledger import Ledger
from skep.errors import TokenExpired, TokenNotFound, TokenRevoked, TokenTaskMismatch, TokenUsesExhausted


class TokenOffice:
    """Signs with the engine's key ring and judges what comes back."""

    def __init__(self, ledger: Ledger, ring: KeyRing) -> None:
        self._ledger = ledger
        self._ring = ring

    def issue(self, nonce: str, issued_at_ms: int) -> str:
        """The transport form of the token whose record is `nonce`."""
        record = self._record(nonce)
        token = CapToken(
            agent_id=record.agent_id,
            role=record.role,
            scopes=record.scopes,
            issued_at=issued_at_ms // 1000,
            expire_at=-(-record.expire_at // 1000),
            max_uses=record.uses_left,
            nonce=nonce,
        )
        return encode_token(sign(token, self._ring.keys, self._ring.current))

    def worker_token(self, task: TaskState) -> str:
        """The token of a task's live attempt."""
        if task.nonce is None:
            raise TokenNotFound(f"task {task.id} has no live attempt")
        return self.issue(task.nonce, task.started_at)

    def verify(self, text: str, verb: str, task_id: str | None = None) -> TokenRecord:
        """Check that the bearer of `text` may perform `verb` (on `task_id`), and spend a use.

        Raises:
            BadSignature, TokenExpired, RoleViolation, TokenNotFound, TokenRevoked, TokenTaskMismatch,
            TokenUsesExhausted: in this order of checks.
        """
        token = decode_token(text)
        check_signature(token, self._ring.keys)
        if self._ledger.now() >= token.expire_at * 1000:
            raise TokenExpired("token has expired", fix="attach again or take the task's current token")
        check_gate(token.role, verb)
        record = self._record(token.nonce)
        if record.revoked:
            raise TokenRevoked("token was revoked")
        if task_id is not None and record.role == "worker":
            self._check_owner(record, task_id)
        if record.uses_left is not None:
            self._spend(token.nonce, record)
        return record

    def _check_owner(self, record: TokenRecord, task_id: str) -> None:
        """A worker may touch its own task and the children that it started (R-narrow)."""
        task = self._ledger.state.tasks.get(task_id)
        if record.task_id != task_id and (task is None or task.parent != record.task_id):
            raise TokenTaskMismatch(str(record.task_id), task_id)

    def _spend(self, nonce: str, record: TokenRecord) -> None:
        if record.uses_left == 0:
            raise TokenUsesExhausted("token uses exhausted")
        log = f"session:{record.session_id}" if record.session_id else f"run:{record.run_id}"
        self._ledger.commit(log, (ev.TokenUsed(at=self._ledger.now(), nonce=nonce),))

    def _record(self, nonce: str) -> TokenRecord:
        record = self._ledger.state.token_record(nonce)
        if record is None:
            raise TokenNotFound("token is not known here", fix="its attempt or session has ended")
        return record
