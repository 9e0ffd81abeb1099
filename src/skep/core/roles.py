"""Roles, verbs and the gate between them: the published 24-verb matrix, and our own verbs beside it.

The published sets stay as they are (DESIGN section 5, *Authority*); `GATE` adds what skep has more of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

Role = Literal["operator", "worker", "observer", "senior"]

ROLES: tuple[Role, ...] = get_args(Role)

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

OWN_VERBS = frozenset(
    {
        "blueprint_read",
        "blueprint_write",
        "run_start",
        "run_read",
        "run_control",
        "question_read",
        "artifact_read",
        "artifact_write",
        "set_resource",
        "token_admin",
        "store_admin",
    }
)

OWN_GATE: Mapping[str, frozenset[str]] = {
    "operator": OWN_VERBS,
    "worker": frozenset({"artifact_read", "artifact_write"}),
    "observer": frozenset({"blueprint_read", "run_read", "question_read", "artifact_read"}),
    "senior": frozenset({"blueprint_read", "run_read", "question_read", "artifact_read"}),
}

GATE: Mapping[str, frozenset[str]] = {role: PUBLISHED_GATE[role] | OWN_GATE[role] for role in ROLES}
"""What each role may do."""

VERBS: frozenset[str] = frozenset(verb for verbs in GATE.values() for verb in verbs)
"""Every verb there is."""
