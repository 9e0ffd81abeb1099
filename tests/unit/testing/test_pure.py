from __future__ import annotations

import gc
from dataclasses import dataclass

import pytest

import skep.testing
from machines import ask, fanout, let, loop, parallel, seq, step, try_, wait
from skep.core.outputs import final
from skep.errors import BadSyntax, BadValue, ConfigError, NotRegistered, RunFailed
from skep.flow.blueprint import parse_blueprint
from skep.flow.load import load_blueprint
from skep.flow.program import compile_flow
from skep.testing import FakeClock, run_pure


@dataclass
class Review:
    score: int


def test_a_flow_runs_over_plain_functions_in_the_order_of_its_wants():
    seen = []

    def score(item):
        seen.append(item)
        return Review(len(item))

    flow = seq(fanout(step("score", "$.item")), loop(step("more", "$.n", "$.last"), 2))
    ctx = run_pure(flow, {"items": ["a", "bb"]}, {"score": score, "more": lambda n: n * 10})
    assert ctx == {"items": ["a", "bb"], "out": [{"score": 1}, {"score": 2}], "n": 2, "last": 10}
    assert seen == ["a", "bb"]


def test_a_program_can_be_tried_many_times():
    program = compile_flow(step(given="$.n"))
    assert [run_pure(program, {"n": n}, {"a": lambda n: n + 1})["r"] for n in (1, 2)] == [2, 3]


@pytest.mark.parametrize(
    ("agent", "text"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda _: final({"why": "no"}, ok=False), 'blocked: {"why":"no"}'),
        (lambda _: {1, 2}, "has no JSON form"),
        (lambda _: float("nan"), "nan is not a JSON number"),
    ],
)
def test_an_agent_that_fails_blocks_or_returns_what_json_cannot_hold_fails_its_step(agent, text):
    assert text in run_pure(try_(step()), {}, {"a": agent})["err"]
    with pytest.raises(RunFailed) as caught:
        run_pure(step(node_id="work"), {}, {"a": agent})
    assert text in str(caught.value)
    assert caught.value.error["step"] == "work"


def test_a_final_that_is_fine_passes():
    assert run_pure(step(), {}, {"a": lambda _: final(3)}) == {"r": 3}


def test_losers_never_run():
    ran = []
    flow = parallel({"left": step("left"), "right": step("right")}, join="race")
    agents = {name: lambda _, name=name: ran.append(name) for name in ("left", "right")}
    assert run_pure(flow, {}, agents)["out"] == {"left": None}
    assert ran == ["left"]


def test_an_agent_can_change_neither_the_ctx_nor_what_it_returned():
    kept = []

    def careless(given):
        given["x"] = "changed"
        kept.append(given)
        return given

    flow = seq(step("careless"), let("$.seen", "$.x"))
    ctx = {"x": 1}
    result = run_pure(flow, ctx, {"careless": careless})
    kept[0]["x"] = "again"
    assert ctx == {"x": 1}
    assert result == {"x": 1, "r": {"x": "changed"}, "seen": 1}


def test_a_missing_agent_and_a_ctx_that_is_no_value_are_named():
    with pytest.raises(NotRegistered, match="did you mean 'score'"):
        run_pure(step("scor"), {}, {"score": str})
    with pytest.raises(BadValue, match="ctx"):
        run_pure(step(), {"x": {1}}, {})


DOCUMENT = """{"id": "b", "default_init_ctx": {"n": 1, "m": 2}, "agents": {"a": "agents:a"},
"flow": {"step": "a", "in": "$.n + $.m", "out": "$.r"}}"""


def test_a_blueprint_and_a_loaded_one_run_with_their_first_ctx(tmp_path):
    file = tmp_path / "b.json"
    file.write_text(DOCUMENT)
    loaded = load_blueprint(file)
    for flow in (loaded, loaded.blueprint):
        assert run_pure(flow, {"n": 5}, {"a": lambda n: n * 2}) == {"n": 5, "m": 2, "r": 14}
    bare = parse_blueprint({"id": "b", "flow": {"let": "$", "value": "$"}})
    assert run_pure(bare, [1], {}) == [1]


def test_an_async_agent_is_refused_without_a_warning():
    async def work(_given):
        return 1

    for agent in (work, lambda given: work([given])):
        with pytest.raises(ConfigError, match="agent 'a' is an async function") as caught:
            run_pure(try_(step(node_id="work")), {}, {"a": agent})
        assert "plain function" in caught.value.fix
    gc.collect()


def test_an_agent_that_raises_has_the_code_of_a_failed_worker():
    def syntax(_):
        raise BadSyntax("no")

    for agent in (lambda _: 1 / 0, syntax, lambda _: {1, 2}):
        with pytest.raises(RunFailed) as caught:
            run_pure(step(), {}, {"a": agent})
        assert caught.value.error["code"] == "E-WORKER-FAILED"


def test_the_facade_has_nothing_else():
    assert set(skep.testing.__all__) == {FakeClock.__name__, run_pure.__name__}
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = skep.testing.nothing


# -- questions, time and signals ---------------------------------------------------------------


def test_questions_are_answered_by_a_function():
    flow = fanout(ask("$.item", audience="seat:lead"))
    ctx = run_pure(flow, {"items": ["a", "b"]}, {}, answer=lambda want: (want.question, want.audience[0]))
    assert ctx["out"] == [["a", "seat:lead"], ["b", "seat:lead"]]
    with pytest.raises(ConfigError, match="asks a question"):
        run_pure(flow, {"items": ["a"]}, {})


def test_a_timeout_error_is_the_deadline():
    def late(_):
        raise TimeoutError

    assert run_pure(ask(on_timeout={"value": False}), {}, {}, answer=late) == {"r": False}
    assert run_pure(try_(ask()), {}, {}, answer=late) == {"err": "nobody has answered in time"}


def test_time_jumps_to_the_next_timer_when_nothing_else_is_left():
    waits = {"long": wait(for_="60"), "short": seq(wait(for_="1"), wait(for_="2")), "date": wait(until="100")}
    assert run_pure(parallel(waits, "race", "1"), {}, {}) == {"out": {"short": 1}}
    slow = {"work": seq(step(), step()), "late": wait(for_="0")}
    assert run_pure(parallel(slow, "race", "1"), {}, {"a": lambda _: 1}) == {"out": {"work": 1}}
    nested = seq(parallel({"a": wait(for_="1"), "b": wait(for_="5")}, "race", "1"), wait(for_="10"))
    assert run_pure(nested, {}, {}) == {"out": {"a": 1}}


def test_signals_are_there_from_the_start():
    flow = fanout(wait(signal="go", out="$.r"))
    signals = [("go", 1), ("other", 0), ("go", 2)]
    assert run_pure(flow, {"items": [0, 0]}, {}, signals=signals)["out"] == [1, 2]
    with pytest.raises(ConfigError, match="does not come") as caught:
        run_pure(flow, {"items": [0, 0]}, {}, signals=[("go", 1)])
    assert caught.value.where == "0[1]"
