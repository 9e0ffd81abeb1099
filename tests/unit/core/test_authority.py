"""The one table of acts, walked against the engine's methods, the roles and the scopes."""

from __future__ import annotations

import inspect

import pytest

from skep.core.authority import ACTS, check_role, check_scopes, facts_of, permits
from skep.core.roles import GATE, OWN_VERBS, PUBLISHED_GATE, ROLES, VERBS
from skep.core.scopes import KINDS, allows
from skep.core.tokens import TokenRecord
from skep.errors import RoleViolation, ScopeViolation
from skep.host import Engine

PROCESS = {
    "agent": "registers code",
    "open": "makes the engine",
    "running": "is the engine's life",
    "start_up": "is the engine's life",
    "close": "is the engine's life",
    "adopt": "is between the engine and its runs",
    "revoke_here": "is between the engine and its inbox",
    "carry_out": "is between the engine and its inbox",
    **{
        f"{verb}_{what}{end}": "is about objects of the process"
        for verb, end in [("register", ""), ("unregister", ""), ("list", "_ids")]
        for what in ("senior_bridge", "spawn_hook", "operator")
    },
    "admit": "is the way in",
    "commit_to": "is between the engine and its acts",
    "find_job": "is between the engine and its acts",
    "forget_run": "is between the engine and its runs",
    "lua_script": "registers code",
}
"""Public methods that are nobody's act: only who holds the process calls them."""

NO_ACT_YET = {"artifact_read", "artifact_write", "blueprint_read", "blueprint_write"}


def methods():
    return {
        name
        for name, value in inspect.getmembers(Engine, callable)
        if not name.startswith("_") and not inspect.isclass(value)
    }


def test_every_method_is_an_act_or_the_process_owners():
    unknown = methods() - ACTS.keys() - PROCESS.keys()
    assert not unknown, f"no act in core/authority.py for {sorted(unknown)}"
    assert not ACTS.keys() & PROCESS.keys()
    assert PROCESS.keys() <= methods()


def test_every_act_is_a_method():
    missing = ACTS.keys() - methods()
    assert not missing, f"acts without a method: {sorted(missing)}"


def test_every_verb_has_an_act():
    used = {act.verb for act in ACTS.values()}
    assert used <= VERBS
    assert VERBS - used == NO_ACT_YET


def test_the_table_says_each_act_once_and_names_known_kinds():
    for name, act in ACTS.items():
        assert act.name == name
        assert "verb" in act.kinds
        assert act.kinds <= set(KINDS)


def test_our_verbs_stand_beside_the_published_ones():
    published = frozenset().union(*PUBLISHED_GATE.values())
    assert len(published) == 24
    assert not published & OWN_VERBS
    for role in ROLES:
        assert GATE[role] & published == PUBLISHED_GATE[role]


GIVEN = {"run": "run-1", "task": "T-1", "agent": "a", "seat": "red"}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("act", ACTS.values(), ids=list(ACTS))
def test_the_matrix(act, role):
    """Every act x role x scope kind."""
    if act.holding or act.verb in GATE[role]:
        check_role(act, role)
    else:
        with pytest.raises(RoleViolation, match=f"role={role} verb={act.verb}"):
            check_role(act, role)
    facts = facts_of(act, GIVEN)
    assert facts.keys() == act.kinds
    for kind in KINDS:
        fits = f"{kind}:{facts.get(kind, GIVEN.get(kind, 'poll_task'))}"
        wrong = "verb:verify_token" if act.verb != "verify_token" else "verb:poll_task"
        wrong = wrong if kind == "verb" else f"{kind}:other"
        expect(act, role, (fits,), facts, allowed=act.holding or kind in act.kinds)
        expect(act, role, (wrong,), facts, allowed=act.holding)
        expect(act, role, (fits, wrong), facts, allowed=act.holding or kind in act.kinds)
    expect(act, role, ("*",), facts, allowed=True)
    expect(act, role, (), facts, allowed=act.holding)


def expect(act, role, scopes, facts, *, allowed):
    record = TokenRecord(role=role, agent_id="p", expire_at=1, scopes=scopes)
    in_role = act.holding or act.verb in GATE[role]
    assert permits(record, act, GIVEN) is (in_role and allowed)
    every_kind_may_apply = all(scope.partition(":")[0] in act.kinds - {"verb"} for scope in scopes)
    if allowed or (act.listing and scopes and every_kind_may_apply):
        check_scopes(act, scopes, facts)
    else:
        with pytest.raises(ScopeViolation, match=act.name):
            check_scopes(act, scopes, facts)


def test_a_fact_that_a_call_does_not_have_denies():
    act = ACTS["poll_task"]
    facts = facts_of(act, {"run": None, "task": "T-1", "agent": "a", "seat": "red"})
    assert facts == {"task": "T-1", "agent": "a", "verb": "poll_task"}
    assert not allows(("run:run-1",), facts)
    assert not allows(("seat:red",), facts)


def test_a_list_is_asked_for_by_whoever_may_see_something_of_it():
    act = ACTS["list_questions"]
    facts = facts_of(act, {})
    for enough in ("run:a",), ("seat:red", "run:a"), ("verb:question_read", "seat:red"), ("*",):
        check_scopes(act, enough, facts)
    for nothing in (), ("verb:run_read",), ("verb:run_read", "seat:red"):
        with pytest.raises(ScopeViolation):
            check_scopes(act, nothing, facts)
    with pytest.raises(ScopeViolation):
        check_scopes(ACTS["list_runs"], ("task:T-1",), facts_of(ACTS["list_runs"], {}))
    record = TokenRecord(role="senior", agent_id="p", expire_at=1, scopes=("seat:red",))
    assert permits(record, act, {"seat": "red"})
    assert not permits(record, act, {"seat": "blue"})
    assert not permits(record, act, {"run": "a"})
