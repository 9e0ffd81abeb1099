"""Whatever a flow can fail with at run time says what to do."""

from __future__ import annotations

import pytest

from machines import branch, fanout, let, step
from skep.errors import RunFailed, SkepError
from skep.flow.prompt import compile_prompt
from skep.testing.pure import run_pure
from skep.values import encode


@pytest.mark.parametrize(
    ("flow", "ctx", "code", "fix"),
    [
        (let("$.x", "1 / $.z"), {"z": 0}, "E-DIV-ZERO", "divide by something else"),
        (let("$.x", "1 % $.z"), {"z": 0}, "E-DIV-ZERO", "divide by something else"),
        (branch("$.z", let("$.x", "1")), {"z": 0}, "E-COND-NOT-BOOL", "compare it, as in"),
        (let("$.x", "$.r.x.y"), {"r": {"x": 1}}, "E-PATH", "name what $.r.x holds"),
        (let("$.x.y", "1"), {"x": 1}, "E-PATH", "write it to another place"),
        (let("$.x", "$.r"), {}, "E-PATH-NOT-FOUND", "ask exists($.r)"),
        (let("$.x", "$.r.y"), {"r": None}, "E-PATH-NOT-FOUND", "$.r is null"),
        (let("$.x", "$.r[3]"), {"r": []}, "E-PATH-NOT-FOUND", "has length 0"),
        (let("$.x", "$.r[$.n]"), {"r": [], "n": 3}, "E-PATH-NOT-FOUND", "first"),
        (let("$.x", "$.z < 'a'"), {"z": 1}, "E-EVAL", "of one type"),
        (let("$.x", "$.z + 1"), {"z": None}, "E-EVAL", "numbers"),
        (let("$.x", "1e308 * $.z"), {"z": 10.0}, "E-EVAL", "smaller"),
        (let("$.x", "len($.z)"), {"z": 1}, "E-EVAL", "exists"),
        (let("$.x", "keys($.z)"), {"z": 1}, "E-EVAL", "name an object"),
        (let("$.x", "1 in $.z"), {"z": 1}, "E-EVAL", "in $.names"),
        (let("$.x", "1 in $.z"), {"z": "a"}, "E-EVAL", "format"),
        (fanout(step()), {"items": 1}, "E-EVAL", "name an array"),
    ],
)
def test_a_failed_flow_carries_its_remedy(flow, ctx, code, fix):
    with pytest.raises(RunFailed) as caught:
        run_pure(flow, ctx, {})
    assert caught.value.error["code"] == code
    assert fix in caught.value.error["fix"]


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "fix"), [({1: 2}, "str(key)"), ("\ud800", "remove it"), (deep(200), "nest less")]
)
def test_a_value_that_is_refused_carries_its_remedy(value, fix):
    with pytest.raises(SkepError) as caught:
        encode(value)
    assert fix in caught.value.fix


@pytest.mark.parametrize("source", ["{{ x }", "{{ x + 1 }}", "{{ y }}"])
def test_a_template_error_carries_its_remedy(source):
    with pytest.raises(SkepError) as caught:
        compile_prompt(source).render({"x": "text"})
    assert caught.value.fix
