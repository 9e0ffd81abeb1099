from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skep.errors import JournalFailed, StrategyError
from skep.strategy import calls as calls_module
from skep.strategy.calls import Calls
from skep.strategy.effects import KEEP_DAYS, Change, EffectLog
from skep.strategy.home import Home
from skep.strategy.records import MemoryCalls


class Crashes(MemoryCalls):
    """A record that loses its last entry, as one does that is killed before it is durable."""

    def __init__(self, past=()) -> None:
        super().__init__()
        self._made = list(past)
        self._settled = len(self._made)
        self._waiting = []

    def once_durable(self, then) -> None:
        """What is waited for is durable; what is only to be done then comes with the next call."""
        if getattr(then, "__self__", None) is not None:
            for earlier in self._waiting:
                earlier()
            self._waiting.clear()
            self._settled = len(self._made)
            then()
        else:
            self._waiting.append(then)

    @property
    def durable(self):
        return tuple(self._made[: self._settled])


call = st.one_of(
    st.tuples(st.just("state.incr"), st.sampled_from("ab"), st.integers(-3, 3)),
    st.tuples(st.just("state.set"), st.sampled_from("ab"), st.integers(0, 9) | st.just("x")),
    st.tuples(st.just("state.set_nx"), st.sampled_from("abc"), st.integers(0, 9)),
    st.tuples(st.sampled_from(["state.delete", "state.get", "state.has"]), st.sampled_from("ab")),
    st.tuples(st.just("state.keys")),
)


def play(home, record, made):
    primitives = Home(home).primitives(Calls(record), "script", "ns", lambda: 0)
    replies = []
    for name, *arguments in made:
        try:
            replies.append(primitives[name](*arguments))
        except StrategyError as error:
            replies.append(str(error))
    return replies


def content(home):
    path = home / "state" / "ns.json"
    return path.read_bytes() if path.exists() else None


@settings(deadline=None, max_examples=40)
@given(st.lists(call, max_size=8), st.lists(st.integers(0, 8), max_size=3))
def test_with_crashes_as_without(tmp_path_factory, made, stops):
    plain, crashing = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("crashing")
    expected = play(plain, MemoryCalls(), made)
    past = ()
    for stop in stops:
        record = Crashes(past)
        play(crashing, record, made[:stop])
        past = max(past, record.durable, key=len)
    assert play(crashing, Crashes(past), made) == expected
    assert content(crashing) == content(plain)


def test_a_change_waits_for_what_was_looked_at(tmp_path, monkeypatch):
    class Stuck(MemoryCalls):
        def once_durable(self, then):
            pass

    monkeypatch.setattr(calls_module, "SETTLE_SECONDS", 0.01)
    primitives = Home(tmp_path).primitives(Calls(Stuck()), "script", "ns", lambda: 0)
    assert primitives["state.has"]("k") is False
    with pytest.raises(JournalFailed, match="not durable"):
        primitives["state.set"]("k", 1)
    assert content(tmp_path) is None


def test_what_nobody_came_back_for_is_swept(tmp_path):
    effects = EffectLog(tmp_path)
    for name in ("old", "new"):
        effects.once("s", name, lambda: Change(reply=1, path=tmp_path / "f", content=b"x"))
    kept = tmp_path / "effects" / "done" / "old"
    past = kept.stat().st_mtime - (KEEP_DAYS + 1) * 86_400
    os.utime(kept, (past, past))
    assert effects.sweep() == 1
    assert [path.name for path in kept.parent.iterdir()] == ["new"]


def test_a_change_is_known_by_its_id(tmp_path):
    effects = EffectLog(tmp_path)

    def change(content):
        return lambda: Change(reply=content.decode(), path=tmp_path / "f", content=content)

    assert effects.once("s", "one", change(b"a")) == "a"
    assert effects.once("s", "one", change(b"b")) == "a"
    assert (tmp_path / "f").read_bytes() == b"a"
    effects.forget("one")
    effects.forget("one")
    assert effects.once("s", "one", change(b"b")) == "b"


def test_a_broken_intent_is_named(tmp_path):
    effects = EffectLog(tmp_path)
    pending = tmp_path / "effects" / "pending" / "s~x"
    pending.parent.mkdir(parents=True)
    pending.write_bytes(b"?")
    with pytest.raises(StrategyError, match="s~x: is no intent"):
        effects.change("s", lambda: Change(reply=None))
    assert effects.change("other", lambda: Change(reply=1)) == 1
