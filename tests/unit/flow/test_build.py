from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.core.retry import Backoff, RetryPolicy
from skep.errors import BadSyntax, BlueprintError, BuildError, SkepError
from skep.flow.agents import AgentDef
from skep.flow.blueprint import parse_blueprint
from skep.flow.build import (
    Retry,
    arr,
    blueprint,
    branch,
    concat,
    exists,
    fanout,
    format_,
    in_,
    keys_,
    len_,
    let,
    loop,
    max_,
    min_,
    obj,
    p,
    parallel,
    seq,
    step,
    switch,
    try_,
)
from skep.flow.expr_text import parse_expression
from skep.flow.terms import to_expr
from skep.flow.version import version
from skep.flow.write import expr_to_canonical, to_canonical

STEP = step("a", in_=p.x, out=p.y)


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (p, "$"),
        (p.a.b, "$.a.b"),
        (p["k.with.dot"].b, '$["k.with.dot"].b'),
        (p["_hidden"], "$._hidden"),
        (p.items[0].keys[-1], "$.items[0].keys[-1]"),
        (p.a == "pass", "$.a == 'pass'"),
        (p.a != None, "$.a != null"),  # noqa: E711 - it builds
        (p.n < 3, "$.n < 3"),
        (p.n <= 3, "$.n <= 3"),
        (p.n > 3, "$.n > 3"),
        (p.n >= 3, "$.n >= 3"),
        (3 < p.n, "$.n > 3"),  # noqa: SIM300 - the other way round
        (p.n + 1, "$.n + 1"),
        (1 + p.n, "1 + $.n"),
        (p.n - 1, "$.n - 1"),
        (1 - p.n, "1 - $.n"),
        (p.n * 2, "$.n * 2"),
        (2 * p.n, "2 * $.n"),
        (p.n / 2, "$.n / 2"),
        (2 / p.n, "2 / $.n"),
        (p.n % 2, "$.n % 2"),
        (2 % p.n, "2 % $.n"),
        (-p.n, "-$.n"),
        ((p.a == 1) & (p.b == 2) & p.c, "$.a == 1 and $.b == 2 and $.c"),
        (p.a | p.b | p.c, "$.a or $.b or $.c"),
        (True & p.a, "true and $.a"),
        (False | p.a, "false or $.a"),
        (~exists(p.a), "not exists($.a)"),
        (len_(p.a), "len($.a)"),
        (keys_(p.a), "keys($.a)"),
        (in_("x", p.a), "'x' in $.a"),
        (min_(p.a), "min($.a)"),
        (max_(p.a, 3), "max($.a, 3)"),
        (concat("x", p.a), "concat('x', $.a)"),
        (format_("{} of {}", p.a, 3), "format('{} of {}', $.a, 3)"),
        (obj(a=p.a, b=1), "{'a': $.a, 'b': 1}"),
        (arr(p.a, 1), "[$.a, 1]"),
        (p.a[p.i], "$.a[$.i]"),
        ((p.a + 1)["x"], "($.a + 1)['x']"),
        (keys_(p.a)[0], "keys($.a)[0]"),
    ],
)
def test_a_term_is_the_expression_that_its_text_is(term, text):
    assert expr_to_canonical(to_expr(term)) == expr_to_canonical(parse_expression(text))


@pytest.mark.parametrize(
    ("value", "document"),
    [
        (
            {"a": 1, "b": [True, None, "x", 1.5]},
            {"op": "lit", "value": {"a": 1, "b": [True, None, "x", 1.5]}},
        ),
        ((1, 2), {"op": "lit", "value": [1, 2]}),
        ("$.x", {"op": "lit", "value": "$.x"}),
        (
            {"a": p.a, "b": [1, {"c": p.c}], "d": {"e": 1}},
            {
                "op": "object",
                "fields": {
                    "a": {"op": "path", "at": "$.a"},
                    "b": {
                        "op": "array",
                        "args": [
                            {"op": "lit", "value": 1},
                            {"op": "object", "fields": {"c": {"op": "path", "at": "$.c"}}},
                        ],
                    },
                    "d": {"op": "lit", "value": {"e": 1}},
                },
            },
        ),
    ],
)
def test_python_values_with_terms_in_them(value, document):
    assert expr_to_canonical(to_expr(value)) == document


def test_text_is_text_in_python():
    """In a document a string is an expression; here it is what it is."""
    assert expr_to_canonical(to_expr("len($.x)")) == {"op": "lit", "value": "len($.x)"}


# -- what needs the value now ------------------------------------------------------------------

MISUSES = {
    "if": (lambda: 1 if p.a else 2, "branch"),
    "and": (lambda: p.a and p.b, "write & | ~"),
    "or": (lambda: p.a or p.b, "write & | ~"),
    "not": (lambda: not p.a, "write & | ~"),
    "chain": (lambda: 0 < p.n < 3, "(0 < x) & (x < 3)"),
    "parentheses": (lambda: p.a == 1 & p.b == 2, "put parentheses round comparisons"),
    "in": (lambda: 1 in p.a, "in_(item, container)"),
    "len": (lambda: len(p.a), "len_(x)"),
    "for": (lambda: list(p.a), "fanout()"),
    "unpack": (lambda: [*p.a], "fanout()"),
    "f-string": (lambda: f"{p.a}", "format_('{}', x)"),
    "text +": (lambda: "a" + p.a, "concat(a, b)"),
    "+ text": (lambda: p.a + "a", "concat(a, b)"),
    "set": (lambda: step("a", in_={1}, out=p.y), "use None, booleans"),
    "slice": (lambda: p.a[1:2], "use a name, an integer or an expression"),
    "bool index": (lambda: p.a[True], "use a name"),
    "out": (lambda: step("a", in_=1, out=p.a + 1), "out=p.name"),
    "out value": (lambda: step("a", in_=1, out=3), "out=p.name"),
    "no node": (lambda: seq(p.a), "step(), seq()"),
    "no body": (lambda: branch(p.a, "x"), "step(), seq()"),
}


@pytest.mark.parametrize("name", MISUSES)
def test_a_misuse_says_what_to_write(name):
    misuse, fix = MISUSES[name]
    with pytest.raises(TypeError) as caught:
        misuse()
    assert isinstance(caught.value, BuildError)
    assert isinstance(caught.value, SkepError)
    assert fix in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_term_is_no_key_and_probing_it_is_harmless():
    with pytest.raises(TypeError, match="unhashable"):
        {p.a: 1}  # noqa: B018
    assert not hasattr(p, "_x")
    assert not hasattr(p, "__fspath__")
    with pytest.raises(AttributeError, match="starts with an underscore"):
        getattr(p, "_x")  # noqa: B009 - a bare attribute looks useless
    with pytest.raises(AttributeError):
        p.a = 1
    assert expr_to_canonical(to_expr(copy.deepcopy(p.a))) == {"op": "path", "at": "$.a"}
    assert expr_to_canonical(to_expr(pickle.loads(pickle.dumps(p.a)))) == {"op": "path", "at": "$.a"}  # noqa: S301


def test_a_term_shows_itself():
    assert repr(p.a[0]) == "<$.a[0]>"
    assert repr(p.n + 1) == '<{"lhs":{"at":"$.n","op":"path"},"op":"add","rhs":{"op":"lit","value":1}}>'


def test_a_path_text_that_does_not_parse():
    with pytest.raises(BadSyntax, match="does not start with"):
        let("x", 1)


# -- nodes -------------------------------------------------------------------------------------


def test_every_node_is_the_same_as_from_a_document():
    built = seq(
        step("a", in_={"x": p.x}, out="$.y", id="first", retry=3, timeout=5),
        branch(p.y == "pass", STEP, id="b"),
        branch(p.y, STEP, [STEP, STEP]),
        switch(p.y, {"pass": STEP, "block": [STEP]}, default=STEP),
        switch(p.y, [(1, STEP), ({"k": 1}, STEP)]),
        loop(counter=p.n, cond=p.y != "pass", max=3, body=STEP),
        fanout(p.items, bind=p.item, body=STEP, out=p.all, join="any", max_concurrency=2, select=p.y),
        fanout([1, 2], bind=p.item, body=STEP, out=p.all),
        parallel({"left": STEP, "right": [STEP]}, out=p.both, join="all_settled", select=p.y),
        try_(STEP, let(p.failed, True), err_at=p.why),
        let(p.z, p.y + 1, id="z"),
        seq(id="empty"),
    )
    s = {"step": "a", "in": "$.x", "out": "$.y"}
    document = [
        {
            "step": "a",
            "in": {"x": "$.x"},
            "out": "$.y",
            "id": "first",
            "retry": {"max_attempts": 3},
            "timeout": 5,
        },
        {"branch": {"cond": "$.y == 'pass'", "then": s, "id": "b"}},
        {"branch": {"cond": "$.y", "then": s, "else": [s, s]}},
        {
            "switch": {
                "on": "$.y",
                "cases": [{"value": "pass", "body": s}, {"value": "block", "body": [s]}],
                "default": s,
            }
        },
        {"switch": {"on": "$.y", "cases": [{"value": 1, "body": s}, {"value": {"k": 1}, "body": s}]}},
        {"loop": {"counter": "$.n", "cond": "$.y != 'pass'", "max": 3, "body": s}},
        {
            "fanout": {
                "items": "$.items",
                "bind": "$.item",
                "body": s,
                "out": "$.all",
                "join": "any",
                "max_concurrency": 2,
                "select": "$.y",
            }
        },
        {"fanout": {"items": [1, 2], "bind": "$.item", "body": s, "out": "$.all"}},
        {
            "parallel": {
                "branches": {"left": s, "right": [s]},
                "out": "$.both",
                "join": "all_settled",
                "select": "$.y",
            }
        },
        {"try": {"body": s, "catch": {"let": {"at": "$.failed", "value": True}}, "err_at": "$.why"}},
        {"let": {"at": "$.z", "value": "$.y + 1"}, "id": "z"},
        {"seq": [], "id": "empty"},
    ]
    read = parse_blueprint({"id": "b", "flow": document})
    assert to_canonical(built) == to_canonical(read.flow)
    assert version(blueprint("b", built)) == version(read)


def test_retry_may_be_a_whole_policy():
    policy = Retry(max_attempts=2, backoff=Backoff(initial=0.0), on=("blocked",))
    assert step("a", in_=1, out=p.y, retry=policy).retry == RetryPolicy(2, Backoff(initial=0.0), ("blocked",))


# -- blueprints --------------------------------------------------------------------------------


def importable(_text: str) -> None:
    """An agent that a Blueprint may name."""


def test_a_blueprint_has_any_other_field():
    built = blueprint(
        "b", [STEP], agents={"a": "m:f"}, default_init_ctx={"x": 1}, strategy={"strict_refs": False}
    )
    assert built.default_init_ctx == {"x": 1}
    assert built.strategy.strict_refs is False
    with pytest.raises(BlueprintError, match="unknown field 'agnets'"):
        blueprint("b", STEP, agnets={})


def test_agents_in_every_form():
    built = blueprint(
        "b",
        STEP,
        agents={
            "text": "pkg.mod:fn",
            "fields": {"kind": "process", "spec": {"program": "wc"}, "timeout": 3},
            "whole": AgentDef(name="whole", kind="python", retry=RetryPolicy(2)),
            "function": importable,
        },
    )
    found = {agent.name: (agent.kind, agent.spec) for agent in built.agents}
    assert found == {
        "text": ("python", {"callable": "pkg.mod:fn"}),
        "fields": ("subprocess", {"program": "wc"}),
        "whole": ("python", None),
        "function": ("python", {"callable": f"{__name__}:importable"}),
    }


def test_a_function_that_a_restart_could_not_find_is_refused():
    def local():
        pass

    for function in (local, lambda: 1, Retry(1).backoff.delay_ms):
        with pytest.raises(BuildError, match="cannot be imported after a restart") as caught:
            blueprint("b", STEP, agents={"a": function})
        assert "@engine.agent('a')" in str(caught.value)


def test_what_a_document_may_not_hold_python_may_not_build():
    with pytest.raises(BlueprintError, match="E-ID-DUPLICATE"):
        blueprint("b", seq(let(p.x, 1, id="a"), let(p.x, 2, id="a")))
    with pytest.raises(BlueprintError, match="E-FIELD-CHOICE"):
        blueprint("b", fanout(p.x, bind=p.i, body=STEP, out=p.o, join="some"))
    with pytest.raises(BlueprintError, match="E-FIELD-RANGE"):
        blueprint("b", step("a", in_=1, out=p.y, retry=0))


names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=5)


@given(st.lists(names | st.integers(-3, 3), max_size=4))
def test_any_path_survives_the_document(segments):
    term = p
    for segment in segments:
        term = term[segment]
    built = blueprint("b", let(p.x, term))
    assert built.flow.value == to_expr(term)


def test_the_example_of_the_module_reads_well():
    flow = seq(
        step("plan", in_=p.goal, out=p.plan),
        loop(
            counter=p.round,
            cond=~exists(p.verdict) | (p.verdict == "BLOCKED"),
            max=3,
            body=[
                step("work", in_={"plan": p.plan, "round": p.round}, out=p.result),
                step("gate", in_=p.result, out=p.verdict),
            ],
        ),
        branch(p.verdict == "PASS", step("commit", in_=p.result, out=p.commit), let(p.escalated, True)),
    )
    assert (
        blueprint("loop", flow, agents=dict.fromkeys(("plan", "work", "gate", "commit"), "m:f")).id == "loop"
    )


def test_the_facade_has_the_builder_and_its_modules_stay_importable():
    from skep import flow  # noqa: PLC0415 - as a user writes it
    from skep.flow import keys  # noqa: PLC0415 - a module beside the builder's names
    from skep.flow.blueprint import Blueprint  # noqa: PLC0415

    built = flow.blueprint("hello", flow.step("greet", in_=flow.p.name, out=flow.p.text))
    assert isinstance(built, Blueprint)
    assert keys.is_name("x")
    assert set(flow.__all__) <= set(vars(flow))
