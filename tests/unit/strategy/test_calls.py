from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import ReplayDiverged
from skep.strategy.calls import Call, Calls, call_digest
from skep.strategy.records import MemoryCalls

json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)
script = st.lists(st.tuples(st.sampled_from(["state.get", "os.getenv"]), json, json), max_size=8)


def recorded(call: Call) -> MemoryCalls:
    calls = MemoryCalls()
    calls.add(call)
    return calls


def refuse() -> None:
    raise AssertionError("carried out again")


@given(script, st.data())
def test_a_replay_gets_the_same_replies_and_goes_on_where_the_record_ends(made, data):
    record = MemoryCalls()
    stop = data.draw(st.integers(0, len(made)))
    first = Calls(record)
    before = [first.reply(name, args, lambda reply=reply: reply) for name, args, reply in made[:stop]]

    again = Calls(record)
    assert again.replaying == (stop > 0)
    assert [again.reply(name, args, refuse) for name, args, _ in made[:stop]] == before
    assert not again.replaying
    assert [again.reply(name, args, lambda reply=reply: reply) for name, args, reply in made[stop:]] == [
        reply for _, _, reply in made[stop:]
    ]
    assert again.made == len(record.past) == len(made)


@given(json, json)
def test_other_arguments_diverge(args, other):
    record = MemoryCalls()
    Calls(record).reply("state.get", args, lambda: 1)
    again = Calls(record)
    if call_digest(args) == call_digest(other):
        assert again.reply("state.get", other, refuse) == 1
    else:
        with pytest.raises(ReplayDiverged, match=r"call 0, state.get, differs"):
            again.reply("state.get", other, refuse)


def test_another_call_diverges_and_says_which():
    record = MemoryCalls()
    Calls(record).reply("state.get", ["k"], lambda: 1)
    with pytest.raises(ReplayDiverged, match=r"call 0 is os.getenv, recorded was state.get"):
        Calls(record).reply("os.getenv", ["k"], refuse)


def test_a_call_whose_answer_is_kept_elsewhere_is_asked_for_again():
    calls = Calls(recorded(Call("llm", call_digest(["p"]))))
    again = calls.recorded("llm", call_digest(["p"]))
    assert again is not None
    assert again.reply is None


def test_nothing_is_added_in_the_middle_of_a_record():
    calls = Calls(recorded(Call("llm", "d")))
    with pytest.raises(ReplayDiverged, match=r"in the middle"):
        calls.add(Call("llm", "d"))
