"""The one table of acts: what each needs, whichever surface it comes through (DESIGN section 5, *Authority*).

An act is a public method of the engine that somebody with a token may call; routes, tools and console actions name
one of these and bring nothing of their own. Each has exactly one verb, which a role allows or not (`skep.core.roles`),
and the kinds of scope that can apply to it (`skep.core.scopes`).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from skep.core.roles import GATE, ROLES, VERBS
from skep.core.scopes import ALL, KINDS, Fact, ScopeKind, allows
from skep.core.tokens import TokenRecord
from skep.errors import RoleViolation, ScopeViolation


class Act(Struct, frozen=True):
    """What an act needs. `kinds` are the scope kinds that may apply; which do, the call's facts say.

    With `holding`, whoever holds the token may do this to it: neither its role nor its scopes are asked. With
    `listing`, what is listed has the facts, not the call: each item is asked about with `permits`.
    """

    name: str
    verb: str
    kinds: frozenset[ScopeKind]
    roles: frozenset[str] = frozenset()
    """Those whose gate has the verb; with `holding` all."""
    holding: bool = False
    listing: bool = False


_TASK = "run task agent"
_WORK = "run task agent seat"

_TABLE: Mapping[str, Mapping[str, str]] = {
    # verb: {act: kinds beside `verb`}
    "start_task": {"start_task": "run agent"},
    "dispatch_attempt": {
        "dispatch_attempt": _TASK,
        "set_prompt": _TASK,
        "bake_worker_system_prompt": _TASK,
        "claim": _WORK,
        "renew": _WORK,
        "release": _WORK,
        "takeover": _WORK,
    },
    "mint_worker_token": {"mint_worker_token": _TASK},
    "read_task_state": {"read_task_state": _TASK, "output_tail": _TASK},
    "cancel_task": {"cancel_task": _TASK},
    "query_senior": {"query_senior": _TASK},
    "mark_pass": {"mark_pass": _TASK},
    "mark_blocked": {"mark_blocked": _TASK},
    "attach_session": {"attach": "seat", "attach_with": "seat", "attach_with_ids": "seat"},
    "detach_session": {"detach": "seat"},
    "heartbeat": {"heartbeat": "seat"},
    "poll_task": {"poll_task": _TASK, "await_resume": _TASK, "list_work": _WORK},
    "fetch_prompt": {"fetch_prompt": _TASK, "fetch_worker_payload": _TASK},
    "fetch_data": {"fetch_data": _TASK},
    "post_result": {"post_result": _TASK},
    "verify_token": {"verify_token": ""},
    "emit_output": {"submit_output": _TASK, "emit": _WORK, "ask": _WORK, "complete": _WORK},
    "subscribe_events": {"subscribe": "run", "run_events": "run", "events": ""},
    "read_trace": {"read_trace": _TASK},
    "answer_query": {"resume": _WORK, "answer": _WORK},
    "override_verdict": {"override_verdict": _TASK},
    "pause_loop": {"pause_loop": "run"},
    "resume_loop": {"resume_loop": "run"},
    "inject_directive": {"inject_directive": _TASK},
    "run_start": {"start": ""},
    "run_read": {"get_run": "run", "list_runs": "run", "get_session": "", "list_sessions": ""},
    "run_control": {"resume_run": "run", "cancel_run": "run", "signal": "run"},
    "question_read": {"list_questions": _WORK},
    "set_resource": {"set_resource": "run"},
    "token_admin": {
        "mint_token": "",
        "attenuate": "",
        "revoke": "",
        "list_tokens": "",
        "rotate_keys": "",
    },
    "store_admin": {"recover_all": "", "stats": ""},
}

_HOLDING = frozenset({"verify_token", "attenuate", "detach", "heartbeat"})
_LISTING = frozenset({"list_runs", "list_questions", "list_work"})


def _act(name: str, verb: str, kinds: str) -> Act:
    words = {"verb", *kinds.split()}
    applying: frozenset[ScopeKind] = frozenset(kind for kind in KINDS if kind in words)
    roles = frozenset(ROLES) if name in _HOLDING else _roles(verb)
    return Act(name, verb, applying, roles, holding=name in _HOLDING, listing=name in _LISTING)


def _roles(verb: str) -> frozenset[str]:
    return frozenset(role for role in ROLES if verb in GATE[role])


ACTS: Mapping[str, Act] = {
    name: _act(name, verb, kinds) for verb, acts in _TABLE.items() for name, kinds in acts.items()
}
"""Every act by its name."""

PLAIN: Mapping[str, Act] = {verb: Act(verb, verb, frozenset(KINDS), _roles(verb)) for verb in VERBS}
"""Verbs as such, for `verify_token`: any kind of scope may apply."""


def facts_of(act: Act, given: Mapping[str, Fact | None]) -> dict[str, Fact]:
    """The facts of one call: what is `given` of the act's kinds, and its verb."""
    facts = {kind: fact for kind, fact in given.items() if fact is not None and kind in act.kinds}
    facts["verb"] = act.verb
    return facts


def check_role(act: Act, role: str) -> None:
    """Raises `RoleViolation` unless `role` may do this; to one's own token everyone may do what needs no more."""
    if role not in act.roles:
        raise RoleViolation(role, act.verb)


def check_scopes(act: Act, scopes: tuple[str, ...], facts: Mapping[str, Fact]) -> None:
    """Raises `ScopeViolation` unless the token's scopes allow a call with these facts."""
    asked = _of_the_call(act, scopes) if act.listing else scopes
    if not act.holding and not allows(asked, facts):
        described = " ".join(f"{kind}:{value}" for kind in sorted(facts) for value in _values(facts[kind]))
        raise ScopeViolation(
            f"the token's scopes do not allow {act.name} ({described})",
            fix=f"its scopes: {' '.join(scopes) or 'none'}",
        )


def _values(fact: Fact) -> list[str]:
    return sorted(fact) if isinstance(fact, frozenset) else [fact]


def _of_the_call(act: Act, scopes: tuple[str, ...]) -> tuple[str, ...]:
    """The conditions that no item of a list can meet by itself; everything, if there are none."""
    items = act.kinds - {"verb"}
    asked = tuple(scope for scope in scopes if scope.partition(":")[0] not in items)
    return ALL if scopes and not asked else asked


def permits(record: TokenRecord, act: Act, given: Mapping[str, Fact | None]) -> bool:
    """Whether a token in force would be let through to this; what lists are filtered by."""
    return record.role in act.roles and (act.holding or allows(record.scopes, facts_of(act, given)))
