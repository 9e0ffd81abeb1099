from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.core.authority import ACTS
from skep.core.profiles import choose, profile_tokens
from skep.core.roles import GATE
from skep.core.scopes import ALL, KINDS, allows, attenuate
from skep.errors import BadScope, LimitExceeded, RoleViolation, ScopeWidened

HELD = {name for name, act in ACTS.items() if act.holding}
"""What may be done to one's own token, whatever it is."""
PROFILES = ["owner", "runner", "viewer", "answerer", "seat:red"]
RUNS = {"get_run", "list_runs", "get_session", "list_sessions"}
GIVEN = {"run": "run-1", "task": "T-1", "agent": "a"}


def may(profile, *, seat=None):
    """The acts that a principal of this profile gets through with."""
    found = set()
    for name, act in ACTS.items():
        given = GIVEN | ({"seat": seat} if seat else {})
        facts = {kind: value for kind, value in given.items() if kind in act.kinds} | {"verb": act.verb}
        for token in profile_tokens(profile):
            if act.holding or (act.verb in GATE[token.role] and allows(token.scopes, facts)):
                found.add(name)
    return found


def test_the_owner_may_what_any_role_but_a_worker_may():
    workers_only = {
        name
        for name, act in ACTS.items()
        if not act.holding and [r for r in GATE if act.verb in GATE[r]] == ["worker"]
    }
    assert may("owner") == ACTS.keys() - workers_only


def test_a_runner_makes_no_tokens():
    assert may("runner") >= {"start", "get_run", "subscribe", "cancel_run", "start_task", "read_trace"}
    assert not may("runner") & {"mint_token", "revoke", "rotate_keys", "list_tokens", "recover_all", "answer"}


def test_a_viewer_changes_nothing():
    reading = RUNS | {"subscribe", "run_events", "events", "read_trace", "list_questions"}
    reading |= {"read_task_state", "output_tail", "get_session", "list_sessions"}
    reading |= {"verify_token", "attenuate", "detach", "heartbeat"}
    assert may("viewer") == reading


def test_an_answerer_answers():
    own = {"verify_token", "attenuate", "detach", "heartbeat", "get_session", "list_sessions"}
    assert may("answerer") - own == {"answer", "resume", "list_questions", "get_run", "list_runs"}


def test_a_seat_sees_its_own_work_and_nothing_else():
    at_red = may("seat:red", seat="red")
    assert at_red >= {"list_work", "claim", "renew", "release", "takeover", "answer", "list_questions"}
    assert not at_red & {"start", "get_run", "cancel_task", "events", "pause_loop"}
    assert may("seat:red", seat="blue") == HELD
    assert may("seat:red") == HELD


@pytest.mark.parametrize("profile", ["", "root", "seat", "seat:", "Owner", "seat:" + "x" * 300])
def test_what_is_no_profile(profile):
    with pytest.raises((BadScope, LimitExceeded)):
        profile_tokens(profile)


@given(
    st.sampled_from(PROFILES),
    st.lists(st.sampled_from(["run:a", "run:b", "seat:red", "verb:poll_task", "verb:run_read"]), max_size=4),
)
def test_more_scopes_only_narrow_a_profile(profile, extra):
    try:
        tokens = profile_tokens(profile, extra)
    except ScopeWidened:
        return
    for before, after in zip(profile_tokens(profile), tokens, strict=True):
        assert after.role == before.role
        attenuate(before.scopes, after.scopes)


def test_a_call_picks_the_token_whose_role_allows_it():
    tokens = [(token.role, f"token of {token.role}") for token in profile_tokens("owner")]
    assert choose(tokens, ACTS["start_task"]) == "token of operator"
    assert choose(tokens, ACTS["subscribe"]) == "token of observer"
    assert choose(tokens, ACTS["answer"]) == "token of senior"
    assert choose(tokens, ACTS["attenuate"]) == "token of operator"
    with pytest.raises(RoleViolation, match="verb=emit_output"):
        choose(tokens, ACTS["submit_output"])
    with pytest.raises(RoleViolation, match="role=none"):
        choose([], ACTS["start_task"])


def test_every_kind_of_scope_can_narrow_a_profile():
    for kind in KINDS:
        value = "get_run" if kind != "verb" else "run_read"
        assert all(token.scopes != ALL for token in profile_tokens("viewer", [f"{kind}:{value}"]))
