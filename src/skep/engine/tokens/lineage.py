"""A token and those that it was narrowed from: what ends one of them ends it (R-narrow)."""

from __future__ import annotations

from msgspec import Struct, field, structs

from skep.core.tokens import TokenRecord
from skep.engine.ledger import Ledger
from skep.errors import LimitExceeded, TokenRevoked


class Line(Struct):
    """What a token comes from, as far as it matters to a call.

    `bound` is its record with the task and run of what it was narrowed from; `limited` are those whose uses a use
    of it spends, itself included.
    """

    bound: TokenRecord
    limited: list[tuple[str, TokenRecord]] = field(default_factory=list)
    depth: int = 0


class Lineage:
    """Walks from a token to the one that it all began with."""

    def __init__(self, ledger: Ledger) -> None:
        self._state = ledger.state
        self._longest = ledger.limits.token_depth + 2

    def of(self, nonce: str, record: TokenRecord) -> Line:
        """The line of a token in force.

        A run's own token is cut loose from its launcher's: that may expire, be detached or run out of uses, and
        only its revocation ends the run's authority.

        Raises:
            TokenRevoked: it, or one that it comes from, was revoked, detached or has gone.
        """
        line = Line(record)
        launched = False
        while True:
            _check_in_force(record, launched=launched)
            if not launched and record.uses_left is not None:
                line.limited.append((nonce, record))
            launched = launched or _is_of_run(record)
            if record.parent is None:
                return line
            nonce = record.parent
            parent = self._state.token_record(nonce)
            if parent is None:
                if launched:
                    return line
                raise TokenRevoked("the token that this one was narrowed from has ended")
            line.depth += 1
            if line.depth > self._longest:
                raise LimitExceeded("token_depth", self._longest, where="token")
            if not launched and line.bound.task_id is None and parent.task_id is not None:
                line.bound = structs.replace(line.bound, task_id=parent.task_id, run_id=parent.run_id)
            record = parent


def _check_in_force(record: TokenRecord, *, launched: bool) -> None:
    if record.revoked:
        raise TokenRevoked("token was revoked")
    if record.detached and not launched:
        raise TokenRevoked("the token's session was detached", fix="attach again")


def _is_of_run(record: TokenRecord) -> bool:
    return record.run_id is not None and record.task_id is None and record.session_id is None
