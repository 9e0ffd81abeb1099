"""Attached participants and the kind of operator that each agent has (DESIGN section 5, *Sessions*)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from skep.core.roles import Role
from skep.core.session_events import DetachReason, OperatorKind


class SessionState(Struct, kw_only=True):
    """The published session record. Times are milliseconds since the epoch; ids name what is registered.

    `owned_task_ids` are those that are still open: settled tasks are found in the journal.
    """

    id: str
    operator_id: str
    role: Role
    attached_at: int
    last_seen: int
    attached: bool
    owned_task_ids: list[str]
    token_nonce: str
    operator_kind: OperatorKind | None = None
    runtime_agent_kinds: Mapping[str, OperatorKind] = {}
    bp_agent_kinds: Mapping[str, OperatorKind] = {}
    bp_global_kind: OperatorKind | None = None
    bridge_id: str | None = None
    hook_id: str | None = None
    operator_backend_id: str | None = None
    heartbeats: bool = False
    """Whether it must send heartbeats: it has said so, or has begun to."""
    ended: DetachReason | None = None
    """Why it is not attached."""

    def kind_for(self, agent: str) -> OperatorKind:
        """The kind of operator that `agent` has in this session (see `collapse_operator_kind`)."""
        return collapse_operator_kind(
            agent, self.runtime_agent_kinds, self.operator_kind, self.bp_agent_kinds, self.bp_global_kind
        )


def collapse_operator_kind(
    agent: str,
    runtime_agent_kinds: Mapping[str, OperatorKind],
    operator_kind: OperatorKind | None,
    bp_agent_kinds: Mapping[str, OperatorKind],
    bp_global_kind: OperatorKind | None,
) -> OperatorKind:
    """The published cascade, the first that is given: launch per agent, launch, Blueprint per agent, Blueprint.

    An explicit `automate` counts; without any it is `automate`.

    >>> collapse_operator_kind("gate", {}, "automate", {"gate": "main_ai"}, None)
    'automate'
    >>> collapse_operator_kind("gate", {}, None, {"gate": "main_ai"}, None)
    'main_ai'
    """
    tiers = (runtime_agent_kinds.get(agent), operator_kind, bp_agent_kinds.get(agent), bp_global_kind)
    for kind in tiers:
        if kind is not None:
            return kind
    return "automate"
