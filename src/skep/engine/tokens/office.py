"""Issuing and verifying capabilities (DESIGN section 5, *Authority* and *Tokens*).

A token is signed only when it leaves the process; its record is made by the event that begins an attempt, a run,
a session or a login. Verification goes signature, expiry, gate, record, scopes, ownership, uses: a refused call
spends nothing.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from skep.core import events as ev
from skep.core.authority import ACTS, PLAIN, Act, check_role, check_scopes, facts_of
from skep.core.scopes import ALL, Fact
from skep.core.state import NEVER, WORKER_TOKEN_MS
from skep.core.tasks import TaskState
from skep.core.tokens import (
    HANDLE_PREFIX,
    CapToken,
    TokenRecord,
    encode_token,
    handle_digest,
    is_handle,
    open_token,
    sign,
)
from skep.engine.ledger import Ledger
from skep.engine.tokens.keys import KeyRing
from skep.engine.tokens.lineage import Line, Lineage
from skep.engine.tokens.logs import TokenLogs
from skep.engine.tokens.uses import Uses
from skep.errors import BadSignature, TokenExpired, TokenNotFound, TokenTaskMismatch

VERIFIED = 1_024
"""Texts whose signature was found good and is not computed again."""
LOOK_MS = 1_000
"""How long a key that another process has dropped may still be good for a text in that cache."""


class Grant:
    """A capability inside the process: an object that the engine made, known by its identity and never signed."""

    __slots__ = ("_office", "nonce")

    def __init__(self, office: TokenOffice, nonce: str) -> None:
        self._office = office
        self.nonce = nonce

    def __repr__(self) -> str:
        return "Grant(***)"

    def made_by(self, office: TokenOffice) -> bool:
        """Whether this engine's office made it."""
        return self._office is office


Bearer = str | Grant
"""What a caller shows: a token's text, a worker's handle, or a `Grant`."""


class TokenOffice:
    """Signs with the engine's key ring and judges what comes back."""

    def __init__(self, ledger: Ledger, ring: KeyRing) -> None:
        self.ring = ring
        self.logs = TokenLogs(ledger)
        self._ledger = ledger
        self._handles = secrets.token_bytes(32)
        self._lineage = Lineage(ledger)
        self._uses = Uses(self.logs.check_owned, self._spend)
        self._verified: dict[str, CapToken] = {}
        self._changes = ring.changes
        self._look_at = 0

    # -- issuing -------------------------------------------------------------------------------

    def issue(self, nonce: str, issued_at_ms: int) -> str:
        """The transport form of the token whose record is `nonce`."""
        record = self.record(nonce)
        expire_at = record.expire_at
        if record.task_id is not None:
            # The deadline moves on while a task is suspended; the record knows when it has come.
            least = issued_at_ms + WORKER_TOKEN_MS
            expire_at = least if expire_at == NEVER else max(expire_at, least)
        key_id = self.ring.signing_key(expire_at)
        token = CapToken(
            agent_id=record.agent_id,
            role=record.role,
            scopes=record.scopes,
            issued_at=issued_at_ms // 1000,
            expire_at=-(-expire_at // 1000),
            max_uses=record.uses_left,
            nonce=nonce,
        )
        return encode_token(sign(token, self.ring.keys, key_id))

    def worker_token(self, task: TaskState) -> str:
        """The token of a task's live attempt."""
        if task.nonce is None:
            raise TokenNotFound(f"task {task.id} has no live attempt")
        return self.issue(task.nonce, task.updated_at)

    def handle(self, nonce: str) -> str:
        """The handle of an attempt that this process starts: the same each time, and in no store."""
        return HANDLE_PREFIX + hmac.digest(self._handles, nonce.encode(), "sha256").hex()[:32]

    def grant(self, nonce: str) -> Grant:
        """The token whose record is `nonce` as an object for use inside the process.

        Raises:
            TokenNotFound: there is no such record.
        """
        self.record(nonce)
        return Grant(self, nonce)

    # -- verifying -----------------------------------------------------------------------------

    def verify(self, bearer: Bearer, verb: str, task_id: str | None = None) -> TokenRecord:
        """As `check`, for a verb as such: any kind of scope may apply to it.

        Raises:
            RoleViolation: no such verb, or not this role's.
        """
        return self.check(bearer, PLAIN.get(verb) or Act(verb, verb, frozenset()), task_id)

    def check(
        self,
        bearer: Bearer,
        act: str | Act,
        task_id: str | None = None,
        *,
        run: str | None = None,
        agent: str | None = None,
        seat: Fact | None = None,
        settled: TaskState | None = None,
        spend: bool = True,
    ) -> TokenRecord:
        """Check that the bearer may perform `act` on this task, run, agent and seat, and spend a use.

        Without `spend` none is spent yet: the act does that itself, by `spending`, when it has not refused.

        The record that is returned is bound as the token is: to the task and run of what it was narrowed from.
        What a task says of its run and agent counts, whatever is given; one that has left memory is `settled`.

        Raises:
            BadSignature, TokenExpired, RoleViolation, TokenNotFound, TokenRevoked, ScopeViolation,
            TokenTaskMismatch, TokenUsesExhausted: in this order of checks.
        """
        if type(act) is not Act:
            act = ACTS[act]  # type: ignore[index] # a name: `is not` narrows nothing
        record, line = self._in_force(bearer, act)
        if record.scopes != ALL and not act.holding:
            given: dict[str, Fact | None] = {"run": run or record.run_id, "agent": agent, "seat": seat}
            self._check_scopes(act, record, task_id, given, settled)
        if task_id is not None and record.role == "worker" and record.task_id != task_id:
            self._check_owner(record, task_id, settled)
        if line is not None and line.limited:
            self._uses.check(line.limited)
            if spend and not act.holding:
                self._uses.take(line.limited)
        return record

    def vet(self, bearer: Bearer, act: str) -> TokenRecord:
        """What `check` checks first: that the bearer may do such a thing at all, to whatever. Spends nothing."""
        return self._in_force(bearer, ACTS[act])[0]

    @contextmanager
    def spending(self, bearer: Bearer, act: str) -> Generator[None]:
        """A use for an act that `check` has let through without one; an act that raises an error of ours spends none.

        Raises:
            AuthorityError: the token has ended meanwhile, or has no use left.
        """
        line = self._in_force(bearer, ACTS[act])[1]
        if line is None or not line.limited:
            yield
            return
        with self._uses.hold(line.limited):
            yield

    def forget_verified(self) -> None:
        """Look at every signature again."""
        self._verified.clear()

    async def known(self, bearer: Bearer) -> None:
        """Have the record of a token that another process made, or this one before it was started again.

        For every act that may wait: afterwards `check` finds what there is to be found. A text whose signature is
        not good is looked for nowhere. Handles are known when their run is.

        Raises:
            BadSignature, TokenExpired: as `check`.
        """
        if type(bearer) is str and not is_handle(bearer):
            now = self._ledger.now()
            token = self._authentic(bearer, now)
            _check_time(now, token.expire_at * 1000)
            await self.logs.learn(token.nonce)

    def nonce(self, bearer: Bearer) -> str:
        """What keys the record of a bearer that `check` has let through."""
        if type(bearer) is str and not is_handle(bearer):
            return self._authentic(bearer, self._ledger.now()).nonce
        return self._nonce(bearer)

    def line(self, nonce: str) -> Line:
        """What a token in force comes from."""
        return self._lineage.of(nonce, self.record(nonce))

    def record(self, nonce: str) -> TokenRecord:
        """The record in force, in this process.

        Raises:
            TokenNotFound: there is none.
        """
        record = self._ledger.state.token_record(nonce)
        if record is None:
            raise TokenNotFound("token is not known here", fix="its attempt or session has ended")
        return record

    # -- inside --------------------------------------------------------------------------------

    def _in_force(self, bearer: Bearer, act: Act) -> tuple[TokenRecord, Line | None]:
        """The bound record of a token whose role may do this, and its line if that matters."""
        now = self._ledger.now()
        if type(bearer) is str and not is_handle(bearer):
            token = self._authentic(bearer, now)
            _check_time(now, token.expire_at * 1000)
            check_role(act, token.role)
            nonce = token.nonce
            record = self.record(nonce)
            _check_time(now, record.expire_at)
        else:
            nonce = self._nonce(bearer)
            record = self.record(nonce)
            _check_time(now, record.expire_at)
            check_role(act, record.role)
        if not _is_particular(record):
            return record, None
        line = self._lineage.of(nonce, record)
        return line.bound, line

    def _authentic(self, text: str, now: int) -> CapToken:
        if now >= self._look_at:
            self._look_at = now + LOOK_MS
            self.ring.refresh()
        if self._changes != self.ring.changes:
            self.forget_verified()
            self._changes = self.ring.changes
        token = self._verified.get(text)
        if token is None:
            token = open_token(text, self.ring.key)
            if len(self._verified) >= VERIFIED:
                del self._verified[next(iter(self._verified))]
            self._verified[text] = token
        return token

    def _nonce(self, bearer: Bearer) -> str:
        if type(bearer) is Grant:
            if not bearer.made_by(self):
                raise BadSignature("another engine made this grant")
            return bearer.nonce
        if type(bearer) is not str:
            raise BadSignature("not a token", fix="give a token's text, a handle or a grant")
        nonce = self._ledger.state.handles.get(handle_digest(bearer))
        if nonce is None:
            raise TokenNotFound(
                "handle is not known here", fix="its attempt has ended, or another took it over"
            )
        return nonce

    def _check_scopes(
        self,
        act: Act,
        record: TokenRecord,
        task_id: str | None,
        given: dict[str, Fact | None],
        settled: TaskState | None,
    ) -> None:
        task = self._ledger.state.tasks.get(task_id or "") or settled
        facts = {**given, "task": task_id}
        if task is not None:
            facts |= {"run": task.run_id, "agent": task.agent}
        check_scopes(act, record.scopes, facts_of(act, facts))

    def _check_owner(self, record: TokenRecord, task_id: str, settled: TaskState | None) -> None:
        """A worker may touch its own task and what was started from it (R-narrow).

        One that attached a session of its own has started the tasks of that session.
        """
        tasks = self._ledger.state.tasks
        task = tasks.get(task_id) or settled
        for _ in range(self._ledger.limits.max_spawn_depth + 1):
            if task is None:
                break
            if (
                record.task_id is None
                and record.session_id is not None
                and task.session_id == record.session_id
            ):
                return
            if task.parent is None:
                break
            if task.parent == record.task_id:
                return
            task = tasks.get(task.parent)
        raise TokenTaskMismatch(str(record.task_id), task_id)

    def _spend(self, nonces: Sequence[str]) -> None:
        now = self._ledger.now()
        for nonce in nonces:
            log = f"session:{self.record(nonce).session_id}"
            self._ledger.commit(log, (ev.TokenUsed(at=now, nonce=nonce),))


def _is_particular(record: TokenRecord) -> bool:
    """Whether there is more to see to than the record of a worker or a session without limits."""
    return record.parent is not None or record.uses_left is not None or record.revoked or record.detached


def _check_time(now: int, expire_at: int) -> None:
    if now >= expire_at:
        raise TokenExpired("token has expired", fix="attach again or take the task's current token")
