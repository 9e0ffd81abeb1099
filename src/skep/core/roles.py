"""Roles, verbs and the gate between them (the published 24-verb matrix; DESIGN section 5, *Authority*)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from skep.errors import RoleViolation

Role = Literal["operator", "worker", "observer", "senior"]

OPERATOR_VERBS = frozenset(
    {
        "start_task",
        "dispatch_attempt",
        "mint_worker_token",
        "read_task_state",
        "cancel_task",
        "query_senior",
        "mark_pass",
        "mark_blocked",
        "attach_session",
        "detach_session",
        "heartbeat",
        "poll_task",
    }
)
WORKER_LEAF_VERBS = frozenset({"fetch_prompt", "fetch_data", "post_result", "verify_token", "emit_output"})
WORKER_SWARM_VERBS = frozenset(
    {"start_task", "dispatch_attempt", "read_task_state", "cancel_task", "poll_task"}
)
OBSERVER_VERBS = frozenset({"subscribe_events", "read_trace", "read_task_state"})
SENIOR_VERBS = frozenset(
    {"answer_query", "override_verdict", "pause_loop", "resume_loop", "inject_directive"}
)

PUBLISHED_GATE: Mapping[str, frozenset[str]] = {
    "operator": OPERATOR_VERBS,
    "worker": WORKER_LEAF_VERBS | WORKER_SWARM_VERBS,
    "observer": OBSERVER_VERBS,
    "senior": SENIOR_VERBS,
}


def check_gate(role: str, verb: str, gate: Mapping[str, frozenset[str]] = PUBLISHED_GATE) -> None:
    """Pass when `role` may perform `verb`.

    Raises:
        RoleViolation: it may not; an unknown role may nothing.

    >>> check_gate("worker", "emit_output")
    """
    if verb not in gate.get(role, frozenset()):
        raise RoleViolation(role, verb)
