from __future__ import annotations

import pytest

from skep.errors import ConversionError, LimitExceeded, LuaError, StrategyError
from skep.lua.limits import Limits
from skep.strategy import Budget, Cancelled, Completed, Error, Failed, NeedsResponse, StrategyHost
from skep.testing.aio import in_loop, run
from strategies import echo, outcome, result

SUSPENDS = {
    "plainly": "return alc.llm('p')",
    "under pcall": "return select(2, pcall(alc.llm, 'p'))",
    "under xpcall": "return select(2, xpcall(alc.llm, print, 'p'))",
    "in a metamethod": "return setmetatable({}, {__index = function() return alc.llm('p') end}).x",
    "in an iterator": "for x in function(_, last) return not last and alc.llm('p') or nil end do return x end",
    "in a comparator": "local s = '' table.sort({2, 1}, function(a, b) s = alc.llm('p') return a < b end) return s",
    "in gsub": "return (('x'):gsub('x', function() return alc.llm('p') end))",
    "in a coroutine": "return coroutine.wrap(function() return alc.llm('p') end)()",
    "in a coroutine under pcall": (
        "local co = coroutine.create(function() coroutine.yield(1) return select(2, pcall(alc.llm, 'p')) end)"
        " coroutine.resume(co) return select(2, coroutine.resume(co))"
    ),
    "in tostring": "return tostring(setmetatable({}, {__tostring = function() return alc.llm('p') end}))",
    "in a closing variable": (
        "local s do local c <close> = setmetatable({}, {__close = function() s = alc.llm('p') end}) end return s"
    ),
    "in load": "return load('return ...')(alc.llm('p'))",
}


@pytest.mark.parametrize("code", SUSPENDS.values(), ids=SUSPENDS.keys())
def test_it_suspends_everywhere(code):
    assert result(code) == "<p>"


def test_a_package_may_ask_while_it_loads(tmp_path):
    (tmp_path / "asker.lua").write_text(
        "local said = alc.llm('load?') return {run = function(ctx) return said end}"
    )
    assert result(None, strategy="asker", extra_paths=[tmp_path]) == "<load?>"


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("", None),
        ("return nil", None),
        ("return 1, 2", 1),
        ("return 3.0", 3.0),
        ("return {}", {}),
        ("return alc.json_decode('[]')", []),
        ("return {1, 2, x = 3}", [1, 2]),
        ("return {a = {b = {1, {c = true}}}}", {"a": {"b": [1, {"c": True}]}}),
        ("return 0/0", None),
        ("return ctx.task", None),
        ("return alc.json_decode('{\"a\":null}').a == null", True),
    ],
)
def test_what_a_script_returns(code, value):
    assert result(code) == value
    assert type(result(code)) is type(value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("\n\nerror('no good')", "lua error: code:3: no good"),
        ("return (", "code:1: unexpected symbol"),
        ("return print", "a function has no JSON form"),
        ("local t = {} t.t = t return t", "recursive"),
        ("return {[2] = 1}", "key is a number"),
        ("return '\\xff'", "UTF-8"),
        ("coroutine.yield(1)", "nobody resumes it"),
        ("alc.llm()", "prompt must be a string"),
        ("alc.llm_batch({})", "empty items array"),
        ("alc.llm_batch({1})", "item #1 must be a table"),
        ("return ctx.task.x", "attempt to index a nil value"),
    ],
)
def test_a_script_that_fails_says_where_and_why(code, said):
    end = outcome(code)
    assert isinstance(end, Failed)
    assert said in end.error


def test_every_option_goes_to_whoever_answers():
    seen = []

    async def answer(query):
        seen.append(query)
        return "x"

    code = (
        "return alc.llm('p', {system = 's', max_tokens = 9, grounded = 1, underspecified = false,"
        " temperature = 0.5, model = 'm', f = print})"
    )
    result(code, answer=answer)
    (query,) = seen
    assert (query.system, query.max_tokens, query.grounded, query.underspecified) == ("s", 9, True, False)
    assert query.options == {"temperature": 0.5, "model": "m"}


def test_a_batch_is_one_pause_and_keeps_its_order():
    end = outcome("return alc.llm_batch({{prompt = 'a'}, {prompt = 'b'}, {prompt = 'c'}})")
    assert end.result == ["<a>", "<b>", "<c>"]
    assert (end.stats["auto"]["llm_calls"], end.stats["auto"]["pauses"], end.stats["auto"]["rounds"]) == (
        3,
        1,
        1,
    )


def test_who_answers_may_fail_a_query():
    async def answer(_query):
        return Error("the endpoint is gone")

    assert result("return alc.llm_safe('p', nil, 'otherwise')", answer=answer) == "otherwise"
    end = outcome("return alc.llm('p')", answer=answer)
    assert isinstance(end, Failed)
    assert "the endpoint is gone" in end.error


def test_a_budget_refuses_with_the_published_text():
    code = "alc.llm('a') local ok, e = pcall(alc.llm, 'b') return {ok, e, alc.budget_check(), alc.budget_remaining()}"
    assert result(code, budget=Budget(max_llm_calls=1)) == [
        False,
        "budget_exceeded: max_llm_calls (1) reached (1 used)",
        False,
        {"elapsed_ms": None, "llm_calls": 0, "tokens": None},
    ]
    assert result("return {alc.budget_remaining() == nil, alc.budget_check()}") == [True, True]


def test_fork_runs_packages_side_by_side(tmp_path):
    (tmp_path / "good.lua").write_text("return {run = function(ctx) return alc.llm(ctx.task) end}")
    (tmp_path / "bad-one.lua").write_text("return {run = function() error('broken') end}")
    ends = result(
        "return alc.fork({'good', 'bad-one', 'none', 'good'}, {task = 't'})", extra_paths=[tmp_path]
    )
    assert [end["ok"] for end in ends] == [True, False, False, True]
    assert ends[0] == {"strategy": "good", "ok": True, "result": "<t>"}
    assert "broken" in ends[1]["error"]
    assert "not found" in ends[2]["error"]


@pytest.mark.parametrize("call", ["alc.fork({}, {})", "alc.fork({'a'})", "alc.fork({'../a'}, {})"])
def test_fork_refuses_what_it_cannot_start(call):
    assert "alc.fork" in outcome(f"return {call}").error


def test_forks_within_forks_are_bounded(tmp_path):
    (tmp_path / "deep.lua").write_text("return {run = function(ctx) return alc.fork({'deep'}, {}, ctx) end}")
    assert "max_fork_depth" in str(result("return alc.fork({'deep'}, {})", extra_paths=[tmp_path]))


def test_a_busy_loop_is_cancelled_at_once():
    async def go():
        async with StrategyHost(limits=Limits(wall=60, instructions=10**15)) as host:
            session = await host.start("pcall(function() while true do end end) alc.llm('p')")
            waiting = session.next()
            await session.cancel("enough")
            return await waiting

    end = run(go(), 5)
    assert isinstance(end, Cancelled)
    assert end.reason == "enough"


def test_a_script_that_never_asks_runs_into_its_limit():
    async def go():
        async with StrategyHost(limits=Limits(instructions=100_000)) as host:
            return await host.run("while true do pcall(error) end", answer=echo)

    end = run(go(), 5)
    assert isinstance(end, Failed)
    assert end.code == LimitExceeded.code


@in_loop
async def test_waiting_does_not_count_as_time_of_the_script():
    async with StrategyHost(limits=Limits(wall=0.5)) as host:
        session = await host.start(
            "table.sort({2, 1}, function(a, b) alc.llm('p') return a < b end) return 1"
        )
        while isinstance(needs := await session.next(), NeedsResponse):
            for _ in range(3):
                await host.eval_simple("local s = 0 for i = 1, 3e6 do s = s + i end return s")
            await session.respond({query.id: "x" for query in needs.queries})
        assert needs.result == 1


@in_loop
async def test_eviction_in_a_parked_place_runs_again():
    async with StrategyHost() as host:
        code = (
            "local n = 0 table.sort({2, 1}, function(a, b) n = n + #alc.llm('p') return a < b end) return n"
        )
        session = await host.start(code)
        needs = await session.next()
        await session.evict()
        await session.respond({needs.queries[0].id: "xyz"})
        while isinstance(needs := await session.next(), NeedsResponse):
            await session.respond({query.id: "" for query in needs.queries})
        assert needs.result == 3


@in_loop
async def test_time_and_chance_are_the_same_in_every_replay():
    code = """
      local t = {alc.time(), os.time(), math.random(1e9), os.clock()}
      for name in pairs({a = 1, b = 2, c = 3, d = 4, e = 5}) do t[#t + 1] = name end
      alc.llm('p')
      t[#t + 1] = alc.time()
      alc.llm('q')
      return t
    """
    async with StrategyHost() as host:
        session = await host.start(code)
        await session.next()
        await session.respond({"q-0": "x"})
        first = await session.next()
        seen = host.session(session.id)
        await seen.evict()
        await seen.respond({"q2-0": "x"})
        end = await seen.next()
        assert isinstance(first, NeedsResponse)
        assert isinstance(end, Completed)
        times = end.result
        assert times[0] < times[-1]
        assert abs(times[0] - times[1]) < 2


@in_loop
async def test_eval_simple_knows_no_alc_and_keeps_nothing():
    async with StrategyHost() as host:
        assert await host.eval_simple("x = 1 return alc == nil") is True
        assert await host.eval_simple("return x") is None
        with pytest.raises(LuaError):
            await host.eval_simple("error('no')")
        with pytest.raises(ConversionError):
            await host.eval_simple("return print")


@in_loop
async def test_a_host_refuses_what_it_cannot_start_or_find():
    async with StrategyHost() as host:
        with pytest.raises(StrategyError):
            await host.start()
        with pytest.raises(StrategyError):
            await host.start("return 1", strategy="x")
        with pytest.raises(StrategyError, match="not found"):
            host.session("s-nobody")
        end = await host.run(strategy="nowhere", answer=echo)
        assert isinstance(end, Failed)
        assert "module 'nowhere' not found" in end.error
