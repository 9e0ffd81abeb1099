"""The prelude, function by function: normal, edge, error (reference: strategy runtime, 3)."""

from __future__ import annotations

import pytest

from strategies import outcome, result

NAMES = [
    "llm",
    "llm_batch",
    "fork",
    "json_encode",
    "json_decode",
    "log",
    "state",
    "match_enum",
    "match_bool",
    "chunk",
    "stats",
    "time",
    "budget_remaining",
    "progress",
    "card",
    "math",
    "cache",
    "cache_info",
    "cache_clear",
    "map",
    "reduce",
    "filter",
    "parallel",
    "vote",
    "parse_score",
    "parse_number",
    "json_extract",
    "ground",
    "specify",
    "llm_safe",
    "llm_json",
    "budget_check",
    "fingerprint",
    "tuning",
    "pipe",
    "eval",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_published_name_is_there(name):
    kind = "table" if name in {"state", "stats", "card", "math"} else "function"
    assert result(f"return type(alc.{name})") == kind


def test_a_copy_of_alc_has_all_of_it_and_alc_may_be_replaced():
    code = "local copy = {} for name, value in pairs(alc) do copy[name] = value end alc = copy return alc.vote({'a'})"
    assert result(code) == {"count": 1, "total": 1, "winner": "a"}
    code = "local old = alc.map alc.map = function() return 'mine' end local said = alc.map() alc.map = old return said"
    assert result(code) == "mine"
    assert result("alc.vote = function() return 'mine' end alc.parse_score('1') return alc.vote()") == "mine"


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("alc.map({1, 2}, function(x, i) return x * 10 + i end)", [11, 22]),
        ("alc.map({}, print)", {}),
        ("alc.reduce({1, 2, 3}, function(a, x) return a + x end)", 6),
        ("alc.reduce({1, 2}, function(a, x, i) return a .. x .. i end, '')", "1122"),
        ("alc.reduce({}, print)", None),
        ("alc.reduce({1}, function(a) return a end, false)", False),
        ("alc.filter({1, 2, 3}, function(x) return x ~= 2 end)", [1, 3]),
        ("alc.vote({' a', 'b', 'a ', 'B', 'b', 'a'})", {"winner": "a", "count": 3, "total": 6}),
        ("alc.vote({1, '1'})", {"winner": "1", "count": 2, "total": 2}),
        ("alc.vote({})", {"count": 0, "total": 0}),
        ("alc.parse_score('7.5')", 7),
        ("alc.parse_score('-3')", 3),
        ("alc.parse_score('100')", 10),
        ("alc.parse_score('0')", 1),
        ("alc.parse_score('none')", 5),
        ("alc.parse_score('none', 0)", 0),
        ("alc.parse_score(('9'):rep(40))", 10),
        ("alc.parse_number('-5 of 7')", -5),
        ("alc.parse_number('about 7.5')", 7.5),
        ("alc.parse_number('1,234')", 1),
        ("alc.parse_number('score=8', 'score=(%d+)')", 8),
        ("alc.parse_number('none')", None),
        ("alc.parse_number(7)", None),
        ('alc.json_extract(\'x {"a": {"b": 1}} y\')', {"a": {"b": 1}}),
        ("alc.json_extract('```json\\n[1]\\n``` [2]')", [1]),
        ("alc.json_extract('{bad} then [1, 2]')", [1, 2]),
        ("alc.json_extract('42')", None),
        ("alc.json_extract('null')", None),
        ("alc.json_extract(nil)", None),
        ("alc.fingerprint('  Hello   World ') == alc.fingerprint('hello world')", True),
        ("alc.fingerprint('a')", "0002b606"),
        ("#alc.fingerprint(nil)", 8),
        (
            "alc.tuning({a = 1, b = {c = 2, d = 3}}, {a = 9, b = {c = 8}, z = 1})",
            {"a": 9, "b": {"c": 8, "d": 3}},
        ),
        ("alc.tuning({l = {1, 2}}, {l = {3}})", {"l": [3]}),
        ("alc.tuning({a = 1, _schema = 2}, {p = {a = 5}}, {prefix = 'p'})", {"a": 5}),
        ("alc.tuning({a = 1}, {p = 5}, {prefix = 'p'})", {"a": 1}),
        ("alc.tuning({a = 1}, {a = 7}, {prefix = 'p'})", {"a": 7}),
        ("alc.tuning(5, {})", 5),
        ("alc.json_encode({b = 1, a = {1.0, 2}, e = {}})", '{"a":[1.0,2],"b":1,"e":{}}'),
        ("alc.json_encode('\\1\"\\\\\\n')", '"\\u0001\\"\\\\\\n"'),
        ('alc.json_encode(alc.json_decode(\'{"a":null,"b":[]}\'))', '{"a":null,"b":[]}'),
        ("pcall(alc.json_decode, '{')", False),
        ("{alc.json_decode('null') == null, alc.json_decode('false')}", [True, False]),
        ("alc.stats.record('k', {1}) or alc.stats.get('k')", [1]),
        ("alc.stats.get('none')", None),
    ],
)
def test_what_a_function_returns(code, value):
    assert result(f"return {code}") == value


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("alc.parallel({}, print)", "items must be a non-empty array"),
        ("alc.parallel({1})", "prompt_fn must be a function"),
        ("alc.parallel({1}, function() return 1 end)", "must return string or table, got number at index 1"),
        ("alc.parallel({1}, function() return {} end)", "returned table without .prompt at index 1"),
        ("alc.pipe({}, {})", "strategies must be a non-empty array"),
        ("alc.pipe({'x'}, 1)", "ctx must be a table"),
        ("alc.pipe({'none'}, {})", "failed to load strategy 'none'"),
        ("alc.pipe({1}, {})", "strategy[1] must be a string or function"),
        ("alc.pipe({function() end}, {})", "must return a table (ctx)"),
        ("alc.eval('x', 'y')", "evalframe not installed"),
        ("alc.eval(nil, 'y')", "scenario must be"),
        ("alc.stats.record(1, 2)", "the key must be a string"),
        ("alc.progress(-1, 2)", "whole numbers"),
        ("alc.math.mean({})", "non-empty array"),
        ("alc.math.rng_int(alc.math.rng_create(1), 2, 1)", "min <= max"),
    ],
)
def test_what_a_function_refuses(code, said):
    assert said in outcome(f"return {code}").error


def test_parallel_shares_options_with_those_that_gave_only_text():
    seen = {}

    async def answer(query):
        seen[query.prompt] = query
        return query.prompt.upper()

    code = """
      return alc.parallel({'a', 'b'}, function(item, i)
        return i == 1 and item or {prompt = item, max_tokens = 5}
      end, {system = 's', grounded = true, post_fn = function(text, item, i) return text .. item .. i end})
    """
    assert result(code, answer=answer) == ["Aa1", "Bb2"]
    assert (seen["a"].system, seen["a"].grounded) == ("s", True)
    assert (seen["b"].system, seen["b"].max_tokens) == (None, 5)


def test_cache_asks_once_and_tells_apart_what_matters():
    end = outcome("""
      alc.cache('p') alc.cache('p') alc.cache('P') alc.cache('p', {temperature = 1})
      alc.cache('p', {cache_skip = true}) alc.cache('x', {cache_key = 'k'}) alc.cache('y', {cache_key = 'k'})
      local before = alc.cache_info()
      alc.cache_clear()
      return {before, alc.cache_info()}
    """)
    before, after = end.result
    assert before == {"entries": 4, "hits": 2, "misses": 4, "max_entries": 256}
    assert after == {"entries": 0, "hits": 0, "misses": 0, "max_entries": 256}
    assert end.stats["auto"]["llm_calls"] == 5


def test_cache_forgets_the_oldest():
    code = """
      for i = 1, 257 do alc.cache('p' .. i) end
      alc.cache('p257') alc.cache('p1')
      return alc.cache_info()
    """
    assert result(code) == {"entries": 256, "hits": 1, "misses": 258, "max_entries": 256}


def test_llm_json_tries_once_more():
    prompts = []

    async def answer(query):
        prompts.append(query)
        return "no json" if len(prompts) == 1 else '{"a": 1}'

    assert result("return (alc.llm_json('p', {max_tokens = 7}))", answer=answer) == {"a": 1}
    again = prompts[1]
    assert "no json" in again.prompt
    assert again.prompt.endswith("Original request:\np")
    assert again.max_tokens == 7
    assert "JSON" in again.system


def test_llm_json_gives_up_with_what_it_got():
    async def answer(_query):
        return "never"

    assert result("local value, raw = alc.llm_json('p') return {value == nil, raw}", answer=answer) == [
        True,
        "never",
    ]


def test_pipe_hands_each_stage_what_the_one_before_returned():
    code = """
      local seen = {}
      local ctx = alc.pipe({
        function(ctx) ctx.result = {n = 1} return ctx end,
        function(ctx) seen[1] = ctx.task error('broken') end,
        function(ctx) seen[2] = ctx.task ctx.result = 'end' return ctx end,
      }, {task = 't'}, {on_error = 'skip', on_stage = function(i, name) seen[#seen + 1] = name end})
      return {ctx.result, seen, #ctx.pipe_history, ctx.pipe_history[2].error}
    """
    ended, seen, stages, error = result(code)
    assert ended == "end"
    assert seen[:2] == ['{"n":1}', '{"n":1}'] or seen[0] == "(inline-1)"
    assert stages == 3
    assert "broken" in error


def test_print_and_log_reach_the_host(caplog):
    with caplog.at_level("DEBUG", "skep.strategy"):
        result("print('a', 1, nil) alc.log('warn', 'careful') alc.log('odd', 'x')")
    said = [(record.levelname, record.getMessage().partition(": ")[2]) for record in caplog.records]
    assert said == [("INFO", "a\t1\tnil"), ("WARNING", "careful"), ("INFO", "x")]
