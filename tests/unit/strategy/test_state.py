from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import LimitExceeded, StrategyError
from skep.lua.limits import Limits
from skep.strategy import Completed, StrategyHost
from skep.strategy.effects import EffectLog
from skep.strategy.state import MAX_VALUE_BYTES, State
from skep.testing.aio import run


async def echo(query):
    return f"<{query.prompt}>"


def end(home, code, ctx=None, **options):
    async def go():
        async with StrategyHost(home=home, limits=Limits(wall=10)) as host:
            return await host.run(code, ctx, answer=echo, **options)

    return run(go())


def result(home, code, ctx=None, **options):
    ended = end(home, code, ctx, **options)
    assert isinstance(ended, Completed), ended
    return ended.result


def stored(home, namespace="default"):
    return json.loads((home / "state" / f"{namespace}.json").read_text())


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("alc.state.set('k', {a = 1}) return alc.state.get('k')", {"a": 1}),
        ("return alc.state.get('k') == nil", True),
        ("return alc.state.get('k', 'd')", "d"),
        ("alc.state.set('k', false) return alc.state.get('k', 'd')", False),
        ("alc.state.set('k', nil) return alc.state.get('k', 'd') == null", True),
        ("alc.state.set('k') return {alc.state.has('k'), alc.state.has('j')}", [True, False]),
        ("return alc.state.set('k', 1) == nil", True),
        ("alc.state.set('b', 1) alc.state.set('a', 1) return alc.state.keys()", ["a", "b"]),
        ("return alc.state.keys()", []),
        ("alc.state.set('k', 1) return {alc.state.delete('k'), alc.state.delete('k')}", [True, False]),
        ("return {alc.state.set_nx('k', 1), alc.state.set_nx('k', 2), alc.state.get('k')}", [True, False, 1]),
        (
            "return {alc.state.incr('k'), alc.state.incr('k', 2), alc.state.incr('j', 1, 10)}",
            [1.0, 3.0, 11.0],
        ),
        ("alc.state.set(1, 'x') return alc.state.keys()", ["1"]),
        ("return type(alc.state.get)", "function"),
    ],
)
def test_state(tmp_path, code, value):
    assert result(tmp_path, code) == value


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("alc.state.set('k', 'x') alc.state.incr('k')", "incr: value at 'k' is not a number"),
        ("alc.state.set('k', true) alc.state.incr('k')", "incr: value at 'k' is not a number"),
        ("alc.state.incr('k', 'one')", "incr: delta is not a number"),
        ("alc.state.incr('k', 1e308) alc.state.incr('k', 1e308)", "no finite number"),
        ("alc.state.get({})", "key must be a string"),
        ("alc.state.set('k', print)", "function has no JSON form"),
        ("alc.state.set(('x'):rep(2000), 1)", "max_state_key_chars"),
        ("alc.state.set('k', ('x'):rep(2 << 20))", "max_state_value_bytes"),
    ],
)
def test_what_is_refused_is_a_plain_string_in_lua(tmp_path, code, text):
    said = result(tmp_path, f"local ok, err = pcall(function() {code} end) return {{ok, type(err), err}}")
    assert said[:2] == [False, "string"]
    assert text in said[2]


@pytest.mark.parametrize("name", ["", "a/b", "..", "a\\b", "a\0b", "x" * 200, ".hidden"])
def test_names_that_leave_the_folder(tmp_path, name):
    said = result(tmp_path, "return select(2, pcall(alc.state.get, 'k'))", {"_ns": name})
    assert said.startswith("Invalid namespace: '")
    said = result(tmp_path, "return select(2, pcall(alc.state.set, 'k', 1))", {"_ns": name})
    assert said.startswith("Invalid namespace: '")


def test_namespaces_are_files(tmp_path):
    result(tmp_path, "alc.state.incr('n')", {"_ns": "mine"})
    result(tmp_path, "alc.state.incr('n')")
    assert (tmp_path / "state" / "mine.json").read_text() == '{\n  "n": 1.0\n}'
    assert stored(tmp_path) == {"n": 1.0}


def test_children_of_a_fork_have_namespaces_of_their_own(tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "counts.lua").write_text("return {run = function(ctx) return alc.state.incr('n') end}")
    code = "local all = {} for _, e in ipairs(alc.fork({'counts', 'counts'}, ctx)) do all[#all + 1] = e.result end "
    for _ in range(2):
        assert result(tmp_path, code + "return all", {"_ns": "shared"}, extra_paths=[packages]) == [1.0, 1.0]
    assert len(list((tmp_path / "state").glob("fork-*.json"))) == 4
    assert not (tmp_path / "state" / "shared.json").exists()


def test_a_corrupt_file_is_named(tmp_path):
    (tmp_path / "state").mkdir()
    for content in (b"{", b"[]", b"\xff", b"[" * 100_000):
        (tmp_path / "state" / "default.json").write_bytes(content)
        for call in ("alc.state.get, 'k'", "alc.state.set, 'k', 1"):
            said = result(tmp_path, f"return select(2, pcall({call}))")
            assert said.startswith("Failed to parse state 'default': ")
            assert str(tmp_path / "state" / "default.json") in said
        assert (tmp_path / "state" / "default.json").read_bytes() == content


def test_without_a_home_it_says_so():
    ended = end(None, "return alc.state.get('k')")
    assert "there is no home" in ended.error


def test_an_evicted_session_counts_once(tmp_path):
    async def go():
        async with StrategyHost(home=tmp_path) as host:
            session = await host.start(
                "local before = alc.state.incr('n') pcall(alc.state.incr, 'n', 'x')"
                " alc.llm('p') return {before, alc.state.incr('n'), alc.state.get('n')}"
            )
            outcome = await session.next()
            await session.evict()
            other = await host.run("return alc.state.incr('n')", answer=echo)
            assert other.result == 2.0
            await session.respond({outcome.queries[0].id: "a"})
            return await session.next()

    assert run(go()).result == [1.0, 3.0, 3.0]
    assert stored(tmp_path) == {"n": 3.0}
    assert not list((tmp_path / "effects").rglob("?*/*"))


def test_a_full_namespace_is_refused(tmp_path):
    state, effects = State(tmp_path, "ns"), EffectLog(tmp_path)
    big = "x" * (MAX_VALUE_BYTES - 2)
    for number in range(15):
        effects.change(state.scope, lambda key=str(number): state.set(key, big))
    with pytest.raises(LimitExceeded, match="max_state_bytes"):
        effects.change(state.scope, lambda: state.set("one more", big))
    assert len(state.keys()) == 15


numbers = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)


@given(st.lists(numbers, max_size=6), numbers)
def test_incr_is_a_float_sum_from_the_default(tmp_path_factory, deltas, default):
    home = tmp_path_factory.mktemp("home")
    state, effects = State(home, "ns"), EffectLog(home)
    total = float(default)
    for delta in deltas:
        total += delta
        told = effects.change(state.scope, lambda delta=delta: state.incr("k", delta, default))
        assert (told, type(told)) == (total, float)
        assert state.get("k") == {"found": True, "value": total}


TWO = """
import sys, pathlib
from skep.strategy.effects import EffectLog
from skep.strategy.state import State
home = pathlib.Path(sys.argv[1])
for _ in range(50):
    state = State(home, "default")
    EffectLog(home).change(state.scope, lambda: state.incr("n"))
"""


def test_two_processes_lose_no_increment(tmp_path):
    both = [subprocess.Popen([sys.executable, "-c", TWO, str(tmp_path)]) for _ in range(2)]
    assert [child.wait(60) for child in both] == [0, 0]
    assert stored(tmp_path) == {"n": 100.0}


def test_a_file_that_cannot_be_written_changes_nothing(tmp_path):
    (tmp_path / "state").write_text("in the way")
    said = result(tmp_path, "return select(2, pcall(alc.state.set, 'k', 1))")
    assert "cannot be written" in said
    assert not list((tmp_path / "effects").rglob("?*/*"))
    with pytest.raises(StrategyError, match="cannot be written"):
        EffectLog(tmp_path).change("state-default", lambda: State(tmp_path, "default").set("k", 1))
