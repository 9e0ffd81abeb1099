from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.core.scopes import (
    ALL,
    KINDS,
    MAX_SCOPE_CHARS,
    MAX_SCOPES,
    allows,
    attenuate,
    narrowed,
    parse_scopes,
)
from skep.errors import BadScope, BadValue, LimitExceeded, ScopeWidened

VALUES = {kind: ["poll_task", "run_read"] if kind == "verb" else ["a", "b"] for kind in KINDS}

conditions = st.lists(
    st.sampled_from([f"{kind}:{value}" for kind in KINDS for value in VALUES[kind]]), max_size=6
).map(parse_scopes)
scopes = st.just(ALL) | conditions
facts = st.fixed_dictionaries({}, optional={kind: st.sampled_from([*VALUES[kind], "c"]) for kind in KINDS})


@given(scopes, scopes, facts)
def test_what_a_child_allows_its_parent_allows(parent, child, call):
    try:
        child = attenuate(parent, child)
    except ScopeWidened:
        return
    assert not allows(child, call) or allows(parent, call)


@given(scopes, scopes)
def test_what_is_refused_would_have_allowed_more(parent, child):
    try:
        attenuate(parent, child)
    except ScopeWidened:
        wider = [call for call in _calls_that(child) if not allows(parent, call)]
        assert wider


def _calls_that(child):
    """A call for each way to meet all conditions of `child`, with no other facts."""
    if child == ALL:
        yield {}
        return
    by_kind = {}
    for scope in child:
        kind, _, value = scope.partition(":")
        by_kind.setdefault(kind, []).append(value)
    for values in product(*by_kind.values()):
        yield dict(zip(by_kind, values, strict=True))


@given(scopes, scopes)
def test_narrowing_never_widens(parent, extra):
    try:
        child = narrowed(parent, extra)
    except ScopeWidened:
        return
    assert attenuate(parent, child) == child
    assert set(extra) <= set(child)


@given(scopes)
def test_a_token_may_be_narrowed_to_itself_and_to_nothing(given_scopes):
    assert attenuate(given_scopes, given_scopes) == given_scopes
    assert attenuate(given_scopes, ()) == ()


@pytest.mark.parametrize(
    ("held", "call", "allowed"),
    [
        ((), {"verb": "run_read"}, False),
        (ALL, {}, True),
        (("run:a", "run:b"), {"run": "b"}, True),
        (("run:a",), {"run": "b"}, False),
        (("run:a", "verb:run_read"), {"run": "a", "verb": "run_read"}, True),
        (("run:a", "verb:run_read"), {"run": "a", "verb": "run_control"}, False),
        (("run:a",), {"verb": "run_start"}, False),
        (("*", "run:a"), {"run": "a"}, False),
        (("nonsense",), {"run": "a"}, False),
        (("exec:x",), {"run": "a"}, False),
        (("run:*",), {"run": "a"}, False),
    ],
)
def test_the_algebra(held, call, allowed):
    assert allows(held, call) is allowed


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        (("run:a",), ALL),
        (("run:a",), ("run:b",)),
        (("run:a",), ("run:a", "run:b")),
        (("run:a",), ("verb:run_read",)),
        (("run:a", "verb:run_read"), ("run:a",)),
        ((), ("run:a",)),
        ((), ALL),
    ],
)
def test_widening_is_refused(parent, child):
    with pytest.raises(ScopeWidened):
        attenuate(parent, child)


@pytest.mark.parametrize(
    "bad",
    [
        ["*", "run:a"],
        ["run:a", "*"],
        ["run"],
        ["run:"],
        [":a"],
        [""],
        ["nonsense:a"],
        ["exec:ls"],
        ["verb:fly"],
        ["run :a"],
        ["run:*"],
    ],
)
def test_scopes_that_cannot_be_read(bad):
    with pytest.raises(BadScope):
        parse_scopes(bad)


def test_scopes_are_bounded_text():
    with pytest.raises(LimitExceeded, match="scopes"):
        parse_scopes(f"run:{number}" for number in range(MAX_SCOPES + 1))
    with pytest.raises(LimitExceeded, match="text"):
        parse_scopes(["run:" + "x" * MAX_SCOPE_CHARS])
    with pytest.raises(BadValue):
        parse_scopes(["run:\ud800"])
    with pytest.raises(BadValue):
        parse_scopes([7])


def test_no_scopes_are_scopes():
    assert parse_scopes([]) == ()
    assert parse_scopes(["*", "*"]) == ALL
