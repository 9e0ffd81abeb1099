"""Paths, expressions and templates that try to exhaust the host or reach into it: each is one named error."""

from __future__ import annotations

import sys
import threading
import time
import tracemalloc

import pytest

from skep.errors import BadSyntax, LimitExceeded, SkepError, TemplateError
from skep.flow import expr as ops
from skep.flow.evaluate import compile_expr
from skep.flow.expr_text import parse_expression
from skep.flow.path import parse_path
from skep.flow.prompt import compile_prompt
from skep.flow.read import read_expr, read_flow

FULL = 4_096
"""As long as an expression may be."""

NESTED_TEXTS = {
    "minus signs": "-" * (FULL - 1) + "1",
    "nots": "not " * 1_000 + "1",
    "open": "(" * FULL,
    "parentheses": "(" * 2_000 + "1" + ")" * 2_000,
    "lists": "[" * 2_000 + "]" * 2_000,
    "objects": "{'a':" * 500 + "1" + "}" * 500,
    "calls": "len(" * 700 + "$" + ")" * 700,
    "mixed": "(-[{'a':" * 300,
    "sums": "1+" * 2_000 + "1",
    "subscripts": "$.a[$.b]" + "[0]" * 1_300,
    "chains in chains": "(1<" * 600 + "1" + "<1)" * 600,
    "spread minus": "- " * 2_000 + "1",
    "in": "1 in " * 800 + "[]",
}


@pytest.mark.parametrize("text", NESTED_TEXTS.values(), ids=NESTED_TEXTS)
def test_nesting_within_the_length_limit_is_one_clear_error(text):
    if text.startswith("1 in"):  # a chain: long, not deep
        assert isinstance(parse_expression(text), ops.And)
        return
    with pytest.raises(BadSyntax, match="nested more than 100 deep") as caught:
        parse_expression(text)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["-" * 100_000, "not " * 100_000, "(" * 1_000_000, "$" + ".a" * 100_000])
def test_texts_beyond_the_length_limit_are_not_looked_at(text):
    with pytest.raises(BadSyntax, match="longer than 4,096 characters"):
        parse_expression(text)


@pytest.mark.parametrize("text", NESTED_TEXTS.values(), ids=NESTED_TEXTS)
def test_the_parser_holds_with_a_small_stack_and_a_raised_recursion_limit(text):
    """A host may raise the limit or run us in a thread with little stack: the C stack must not overflow."""
    outcome = []

    def run():
        try:
            outcome.append(parse_expression(text))
        except BadSyntax as error:
            outcome.append(error)

    before, size = sys.getrecursionlimit(), threading.stack_size(512 * 1024)
    try:
        sys.setrecursionlimit(50_000)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(30)
    finally:
        sys.setrecursionlimit(before)
        threading.stack_size(size)
    assert len(outcome) == 1


def nested_document(levels, wrap, seed):
    for _ in range(levels):
        seed = wrap(seed)
    return seed


DEEP_DOCUMENTS = {
    "seq": lambda inner: {"seq": [inner]},
    "canonical seq": lambda inner: {"kind": "seq", "children": [inner]},
    "list": lambda inner: [inner],
    "try": lambda inner: {"try": inner, "catch": []},
    "branch": lambda inner: {"branch": {"cond": True, "then": inner}},
    "parallel": lambda inner: {"parallel": {"a": inner}, "out": "$.x"},
    "loop": lambda inner: {"loop": {"counter": "$.n", "cond": True, "max": 1, "body": inner}},
}


@pytest.mark.parametrize("wrap", DEEP_DOCUMENTS.values(), ids=DEEP_DOCUMENTS)
def test_a_document_ten_thousand_deep_is_one_problem(wrap):
    problems = []
    assert read_flow(nested_document(10_000, wrap, []), problems) is None
    assert [problem.code for problem in problems] == ["E-DEPTH"]
    assert len(str(problems[0])) < 500


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: {"op": "not", "arg": inner},
        lambda inner: {"op": "array", "args": [inner]},
        lambda inner: {"a": inner},
    ],
)
def test_an_expression_ten_thousand_deep_is_one_problem(wrap):
    problems = []
    assert read_expr(nested_document(10_000, wrap, 1), problems) is None
    assert [problem.code for problem in problems] == ["E-DEPTH"]


def test_a_deep_literal_is_one_problem():
    problems = []
    assert (
        read_expr({"op": "lit", "value": nested_document(10_000, lambda inner: [inner], 1)}, problems) is None
    )
    assert [problem.code for problem in problems] == ["E-VALUE"]
    problems = []
    assert read_expr(nested_document(10_000, lambda inner: [inner], 1), problems) is None
    assert [problem.code for problem in problems] == ["E-VALUE"]


def test_a_document_that_holds_itself_is_one_problem():
    itself = {"seq": []}
    itself["seq"].append(itself)
    problems = []
    assert read_flow(itself, problems) is None
    assert [problem.code for problem in problems] == ["E-DEPTH"]


def test_a_wide_document_is_one_problem():
    problems = []
    assert read_flow([[]] * 60_000, problems) is None
    assert [problem.code for problem in problems] == ["E-LIMIT"]


def test_depth_is_reported_even_when_the_callers_stack_is_nearly_full():
    flow = nested_document(90, DEEP_DOCUMENTS["branch"], [])

    def descend(levels):
        if levels:
            return descend(levels - 1)
        problems = []
        return read_flow(flow, problems), problems

    node, problems = descend(sys.getrecursionlimit() - 200)
    assert node is None
    assert [problem.code for problem in problems] == ["E-DEPTH"]
    assert read_flow(flow, []) is not None


# -- values that grow ----------------------------------------------------------------------------


def doubled(levels, leaf):
    for _ in range(levels):
        leaf = [leaf, leaf]
    return leaf


@pytest.mark.parametrize(
    "text",
    ["$.a == $.b", "$.a in [$.b]", "format('{}', $.a)", "[$.a] != [$.b]"],
)
def test_values_that_share_parts_cannot_hang_an_operator(text):
    ctx = {"a": doubled(60, 1), "b": doubled(60, 1)}
    with pytest.raises(LimitExceeded):
        compile_expr(parse_expression(text))(ctx)


def test_text_cannot_grow_without_bound():
    big = "x" * 30_000_000
    tracemalloc.start()
    try:
        for text in ("concat($, $, $)", "format('{}{}{}', $, $, $)"):
            with pytest.raises(LimitExceeded, match="max_value_bytes"):
                compile_expr(parse_expression(text))(big)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_arrays_cannot_grow_without_bound():
    big = [0] * 12_000_000
    with pytest.raises(LimitExceeded, match="max_value_bytes"):
        compile_expr(parse_expression("concat($, $, $)"))(big)


# -- templates -----------------------------------------------------------------------------------

REACHING = [
    "{{ x.__class__ }}",
    "{{ x['__class__'] }}",
    "{{ x|attr('__class__') }}",
    "{{ ''.__class__.__mro__ }}",
    "{{ x.upper.__self__ }}",
    "{{ o.items.__func__ }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ loop }}",
    "{% for i in xs %}{{ loop.__init__ }}{% endfor %}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ lipsum() }}",
    "{{ range(9) }}",
    "{{ dict(a=1) }}",
    "{{ namespace() }}",
    "{{ x.format(1) }}",
    "{{ x.format_map(o) }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '%s'|format(1) }}",
    "{{ o.update({'a': 1}) }}",
    "{{ o.pop('items') }}",
    "{{ xs.append(1) }}",
    "{{ xs.__iadd__([1]) }}",
    "{% set o.a = 1 %}",
    "{% include 'x' %}",
    "{% import 'os' as os %}",
    "{% from 'os' import path %}",
    "{% extends 'x' %}",
    "{% block b %}{% endblock %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% call x() %}{% endcall %}",
    "{% autoescape true %}{{ x }}{% endautoescape %}",
    "{{ x|_each }}",
    "{{ x|safe }}",
    "{{ context }}",
    "{{ environment }}",
]


@pytest.mark.parametrize("source", REACHING)
def test_templates_reach_nothing_but_their_slots(source):
    slots = {"x": "text", "o": {"k": 1}, "xs": [1]}
    with pytest.raises(TemplateError) as caught:
        compile_prompt(source).render(slots)
    assert ":1" in str(caught.value)
    assert slots == {"x": "text", "o": {"k": 1}, "xs": [1]}


BIG = {"s": "y" * 3_000_000, "many": list(range(100_000)), "x": "ab", "xs": [1, 2]}
TEMPLATE_BOMBS = [
    "{{ 'x' * 1000000000 }}",
    "{{ xs * 1000000000 }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '{:1000000000d}'.format(1) }}",
    "{{ x|center(1000000000) }}",
    "{{ x|indent(1000000000) }}",
    "{{ x.ljust(1000000000) }}",
    "{{ x.zfill(1000000000) }}",
    "{{ x|wordwrap(1)|center(100000000) }}",
    "{{ 10000000000000000000000 * 10000000000000000000000 }}",
    "{{ s }}",
    "{{ s + s }}",
    "{{ s|join(s) }}",
    "{{ s|replace('y', s) }}",
    "{{ many|join(s) }}",
    "{% for a in many %}{% for b in many %}{% endfor %}{% endfor %}",
    "{% for a in many if a > 3 %}{% for b in many if b > 3 %}{% endfor %}{% endfor %}",
    "{% for a in many %}{% for b in many %}{{ x }}{% endfor %}{% endfor %}",
    "{% for a in many %}{% if s == x %}{% endif %}{% endfor %}",
    "{% for a in many %}{% if 'q' in s %}{% endif %}{% endfor %}",
    "{% for a in many %}{% if a in many %}{% endif %}{% endfor %}",
    "{% for a in many %}{% set u = s|upper %}{% endfor %}",
    "{% for a in many %}{% set u = s.upper() %}{% endfor %}",
    "{% for a in many %}{% set u = many|sort %}{% endfor %}",
    "{% for a in many %}{% set u = many[1:] %}{% endfor %}",
    "{% for a in many %}{% set u = many|tojson %}{% endfor %}",
    "{% set a = x %}" + "{% set a = a + a %}" * 60 + "{{ a }}",
    "{% set a = xs %}" + "{% set a = a + a %}" * 60 + "{{ a|length }}",
    "{% set a = [x, x] %}" + "{% set a = [a, a] %}" * 60 + "{{ a }}",
    "{% set a %}{{ x }}{{ x }}{% endset %}{{ a }}",
    "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "{{ " + "not " * 10_000 + "1 }}",
    "{{ " + "1+" * 5_000 + "1 }}",
    "{{ " + "x|upper" + "|upper" * 3_000 + " }}",
    "{{ x" + ".a" * 8_000 + " }}",
    "{% if x %}" * 3_000 + "{% endif %}" * 3_000,
    "{% for a in xs %}" * 60 + "{% endfor %}" * 60,
    "{% for a in xs recursive %}{{ loop(xs) }}{% endfor %}",
    "{{ 1" + "0" * 6_000 + " }}",
    "x" * 100_000,
]


@pytest.mark.parametrize("source", TEMPLATE_BOMBS, ids=lambda source: source[:40])
def test_templates_cannot_take_memory_or_time(source):
    tracemalloc.start()
    began = time.process_time()
    try:
        with pytest.raises((TemplateError, LimitExceeded)) as caught:
            compile_prompt(source).render(BIG)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(caught.value, SkepError)
    assert peak < 64_000_000
    assert time.process_time() - began < 20  # endless ones would take hours; tracing makes this one slow


def test_a_long_prompt_within_the_bounds_is_rendered():
    text = compile_prompt("{% for a in many %}{{ a }},{% endfor %}").render(BIG)
    assert text.count(",") == 100_000
    assert len(compile_prompt("{{ s[:1000000] }}").render(BIG)) == 1_000_000


def test_a_path_cannot_be_endless():
    with pytest.raises(BadSyntax):
        parse_path("$" + "[0]" * 100_000)
