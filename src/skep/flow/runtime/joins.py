"""When a join is decided, and with what: `all`, `any`, `race`, `all_settled`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skep.errors import EvalError
from skep.flow.runtime.frames import Fault, JoinFrame, Outcome, Value

if TYPE_CHECKING:
    from skep.flow.nodes import Join

Decide = Callable[[JoinFrame, int, Outcome], Outcome | None]
"""From a lane's number and outcome to that of the join, as soon as it is certain.

The value of a join that gathers is the list of its lanes' results, else it is the winner's.
"""


def _all(frame: JoinFrame, number: int, outcome: Outcome) -> Outcome | None:
    if type(outcome) is Fault:
        return outcome
    return _gather(frame, number, outcome.value)


def _all_settled(frame: JoinFrame, number: int, outcome: Outcome) -> Outcome | None:
    if type(outcome) is Fault:
        return _gather(frame, number, {"status": "rejected", "reason": outcome.message})
    return _gather(frame, number, {"status": "fulfilled", "value": outcome.value})


def _gather(frame: JoinFrame, number: int, result: Any) -> Outcome | None:
    frame.results[number] = result
    return Value(frame.results) if frame.settled == frame.size else None


def _any(frame: JoinFrame, number: int, outcome: Outcome) -> Outcome | None:
    if isinstance(outcome, Value):
        frame.winner = number
        return outcome
    # The last error in lane order, not in time: the same however the lanes interleave.
    if number > frame.fault_at:
        frame.fault, frame.fault_at = outcome, number
    return frame.fault if frame.settled == frame.size else None


def _race(frame: JoinFrame, number: int, outcome: Outcome) -> Outcome | None:
    frame.winner = number
    return outcome


DECIDE: dict[Join, Decide] = {"all": _all, "any": _any, "race": _race, "all_settled": _all_settled}

GATHERS: frozenset[Join] = frozenset({"all", "all_settled"})
"""Joins with a result from every lane; the others have a winner."""


def check_lanes(join: Join, count: int, place: str) -> None:
    """Refuse a join that needs a winner but has no lanes.

    Raises:
        EvalError: naming `place`.
    """
    if count == 0 and join not in GATHERS:
        raise EvalError(
            f"{place} has nothing for join '{join}' to take a winner from", fix="use join all, or guard it"
        )
