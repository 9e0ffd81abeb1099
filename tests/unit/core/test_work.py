"""Work items: one claim at a time, each with a higher generation, and one handle that counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from skep.core import events as ev
from skep.core import questions, work
from skep.core.outputs import Inline
from skep.core.state import EngineState
from skep.errors import WorkHeld

VALUE = Inline(Raw(b"1"))
KEY = "R-1"


def offered():
    """A state with one offered attempt, and its item."""
    state = EngineState()
    state.apply(ev.TaskCreated(at=0, task_id="T-1", agent="a", session_id="S-1"))
    state.apply(ev.TaskAttemptStarted(at=0, task_id="T-1", attempt=1, nonce="n1"))
    asking = questions.Asking(question=VALUE, digest="d", audience=("seat:red",), what="work")
    state.apply(questions.offer_work(KEY, state.tasks["T-1"], asking, 0))
    return state, state.questions[KEY]


def test_offering_suspends_nothing():
    state, item = offered()
    assert (state.tasks["T-1"].status, state.tasks["T-1"].work) == ("running", KEY)
    assert (item.claim, item.generation) == (None, 0)


def test_a_claim_gives_the_handle_and_a_second_one_is_refused():
    state, item = offered()
    state.apply(work.claim(item, "anna", "h1", 100, 5, session_id="S-2", request="q"))
    assert state.handles == {"h1": "n1"}
    assert item.claim == questions.Claim("anna", 1, "h1", 100, "S-2")
    for who in ("anna", "ben"):
        with pytest.raises(WorkHeld, match="anna holds work item R-1"):
            work.claim(item, who, "h2", 100, 5)


def test_a_takeover_ends_the_old_handle_and_the_old_generation():
    state, item = offered()
    state.apply(work.claim(item, "anna", "h1", 100, 5))
    state.apply(work.claim(item, "ben", "h2", 100, 5, take=True))
    assert state.handles == {"h2": "n1"}
    for holder, generation in (("anna", 1), ("ben", 1), (None, 1), ("anna", 2)):
        for act in (work.renew, work.release):
            arguments = (200, 6) if act is work.renew else (6,)
            with pytest.raises(WorkHeld):
                act(item, holder, generation, *arguments)
    assert work.renew(item, "ben", 2, 200, 6).lease_until == 200
    assert work.renew(item, None, 2, 50, 6).lease_until == 100, "renewing never shortens"


def test_a_lease_ends_when_it_is_over_and_not_before():
    state, item = offered()
    assert work.expire(item, 10**9) == ()
    state.apply(work.claim(item, "anna", "h1", 100, 5))
    assert work.expire(item, 99) == ()
    [expired] = work.expire(item, 100)
    assert (expired.reason, expired.generation) == ("expired", 1)
    state.apply(expired)
    assert (item.claim, state.handles) == (None, {})
    assert work.claim(item, "ben", "h2", 300, 101).generation == 2
    with pytest.raises(WorkHeld, match="nobody holds"):
        work.renew(item, "anna", 1, 200, 102)


def test_a_result_ends_item_claim_and_handle():
    state, item = offered()
    assert work.conclude(item, VALUE, None, 7).by == "worker-of-T-1"
    state.apply(work.claim(item, "anna", "h1", 100, 5))
    assert work.conclude(item, VALUE, "carl", 7).by == "carl"
    state.apply(work.conclude(item, VALUE, None, 7, request="q"))
    assert (state.questions, state.handles, state.tasks["T-1"].work) == ({}, {}, None)
    assert state.tasks["T-1"].status == "running", "the attempt is settled by who dispatched it"


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "takeover", "renew", "release", "expire"]),
        st.sampled_from(["anna", "ben", "carl"]),
        st.integers(0, 5),
        st.integers(1, 20),
    ),
    max_size=40,
)


def event_of(item, act, number, now):
    """What an act of somebody leads to, if it is allowed."""
    name, who, generation, lease = act
    if name in ("claim", "takeover"):
        return [work.claim(item, who, f"h{number}", now + lease, now, take=name == "takeover")]
    if name == "renew":
        return [work.renew(item, who, generation, now + lease, now)]
    if name == "release":
        return [work.release(item, who, generation, now)]
    return list(work.expire(item, now))


@given(ACTS)
def test_whatever_happens_one_handle_counts_and_generations_rise(acts):
    state, item = offered()
    seen: list[int] = []
    holds: str | None = None
    for now, act in enumerate(acts, 1):
        before = item.claim
        try:
            events = event_of(item, act, now, now)
        except WorkHeld:
            assert item.claim is before, "a refusal changes nothing"
            assert not (act[0] in ("renew", "release") and before and (act[1], act[2]) == (holds, seen[-1]))
            continue
        for event in events:
            state.apply(event)
        if act[0] in ("claim", "takeover"):
            assert act[0] == "takeover" or before is None
            seen.append(item.generation)
            holds = act[1]
        elif item.claim is None:
            holds = None
        assert (item.claim.holder if item.claim else None) == holds
        assert state.handles == ({item.claim.handle: "n1"} if item.claim else {})
    assert seen == list(range(1, len(seen) + 1))
