from __future__ import annotations

import hashlib

import pytest

from machines import Drive, branch, fanout, let, loop, seq, step, switch, try_
from skep.core.retry import RetryPolicy


def test_a_step_wants_its_input_and_writes_what_comes():
    retry = RetryPolicy(max_attempts=3)
    drive = Drive(step("coder", "{'b': $.x, 'a': 1}", "$.deep.r", retry=retry, timeout=2.5), {"x": [1]})
    [want] = drive.machine.wanted()
    assert (want.key, want.agent, want.input) == ("0", "coder", {"b": [1], "a": 1})
    assert want.digest == hashlib.sha256(b'{"a":1,"b":[1]}').hexdigest()
    assert (want.retry, want.timeout) == (retry, 2.5)
    drive.ok("0", {"ok": False})
    assert drive.ctx == {"x": [1], "deep": {"r": {"ok": False}}}


def test_a_domain_verdict_is_data():
    drive = Drive(step(out="$.verdict"))
    drive.ok("0", "BLOCKED")
    assert drive.ctx == {"verdict": "BLOCKED"}


@pytest.mark.parametrize(
    ("status", "value", "message", "text"),
    [
        ("blocked", {"why": "no", "at": [1, 2]}, None, 'blocked: {"at":[1,2],"why":"no"}'),
        ("timeout", None, "after 3 s", "timeout: after 3 s"),
        ("timeout", None, None, "timeout"),
        ("error", None, "ValueError: x", "ValueError: x"),
        ("cancelled", None, None, "cancelled"),
    ],
)
def test_a_step_that_does_not_pass_fails_the_flow_with_the_published_text(status, value, message, text):
    drive = Drive(seq(let("$.x", "1"), step("judge", node_id="ask")))
    drive.fail("ask", message, status, value)
    assert drive.error == {
        "code": "E-STEP-FAILED",
        "message": f"dispatcher error for ref 'judge': {text}",
        "step": "ask",
    }


def test_a_long_blocked_value_is_cut_visibly():
    drive = Drive(step())
    drive.fail("0", status="blocked", value="x" * 10_000)
    assert len(drive.error["message"]) < 3_000
    assert drive.error["message"].endswith("more characters)")


def test_the_code_of_a_failed_step_is_kept():
    drive = Drive(step())
    drive.fail("0", code="E-WORKER-FAILED")
    assert drive.error["code"] == "E-WORKER-FAILED"


def test_seq_goes_in_order_on_one_ctx():
    drive = Drive(
        seq(let("$.a", "1"), let("$.b", "$.a + 1"), step(given="$.b", out="$.c"), let("$.d", "$.c"))
    )
    drive.ok("2", 7)
    assert drive.ctx == {"a": 1, "b": 2, "c": 7, "d": 7}


def test_an_empty_seq_is_done_at_once():
    assert Drive(seq(), {"x": 1}).ctx == {"x": 1}


@pytest.mark.parametrize(("taken", "r"), [("true", 1), ("false", 2)])
def test_branch(taken, r):
    assert Drive(branch(taken, let("$.r", "1"), let("$.r", "2"))).ctx == {"r": r}


@pytest.mark.parametrize(
    ("cond", "shown"), [("1", "1"), ("null", "null"), ("'yes'", '"yes"'), ("[1, 2]", "array of 2")]
)
def test_branch_on_something_else_fails(cond, shown):
    error = Drive(seq(branch(cond, seq()))).error
    assert (error["code"], error["step"]) == ("E-COND-NOT-BOOL", "0")
    assert error["message"] == f"branch cond must be boolean, got: {shown}"


@pytest.mark.parametrize(
    ("on", "taken"), [("2.0", "two"), ("true", "yes"), ("1", "one"), ("{'a': [1]}", "deep"), ("'?'", "other")]
)
def test_switch_takes_the_first_equal_case(on, taken):
    words = [(2, "two"), (True, "yes"), (1, "one"), ({"a": [1.0]}, "deep"), (2.0, "never")]
    cases = [(value, let("$.r", f"'{word}'")) for value, word in words]
    assert Drive(switch(on, cases, let("$.r", "'other'"))).ctx == {"r": taken}


def test_switch_without_a_case_fails():
    error = Drive(switch("'maybe'", [(1, seq())])).error
    assert error["code"] == "E-NO-CASE"
    assert '"maybe"' in error["message"]


def test_loop_counts_to_max_without_an_error():
    drive = Drive(loop(step(given="$.n", out="$.last"), 3))
    for turn in range(3):
        assert drive.live[f"0[{turn}]"].input == turn
        drive.ok(f"0[{turn}]", turn)
    assert drive.ctx == {"n": 3, "last": 2}


def test_loop_writes_0_and_tests_first():
    assert Drive(loop(step(), 3, "$.n != 0")).ctx == {"n": 0}
    assert Drive(loop(step(), 0, "$.missing")).ctx == {"n": 0}
    assert Drive(loop(step(), 3, "$.missing")).error["code"] == "E-PATH-NOT-FOUND"


def test_loop_cond_is_truthy_and_its_own_count_cannot_be_overwritten():
    drive = Drive(loop(seq(let("$.seen", "$.n"), let("$.n", "0 - 5")), 2, "0"))
    assert drive.ctx == {"n": 2, "seen": 1}


def test_try_undoes_the_body_and_keeps_the_text():
    body = seq(let("$.x", "2"), let("$.new", "1"), step(out="$.y"), step("bad"))
    drive = Drive(try_(body, let("$.caught", "$.err")), {"x": 1})
    drive.ok("0/body/2", 5)
    drive.fail("0/body/3", "no luck")
    text = "dispatcher error for ref 'bad': no luck"
    assert drive.ctx == {"x": 1, "err": text, "caught": text}


def test_try_without_an_error_keeps_the_writes():
    assert Drive(try_(let("$.x", "2"), let("$.x", "3"))).ctx == {"x": 2}


def test_try_catches_errors_of_expressions_with_the_published_text():
    assert Drive(try_(let("$.x", "$.gone.far"))).ctx == {"err": "path not found: $.gone.far"}
    assert Drive(try_(let("$.x", "$.gone.far"), err_at=None)).ctx == {}


def test_an_error_inside_catch_is_not_caught_by_its_own_try():
    inner = try_(let("$.x", "$.gone"), step("mend"))
    drive = Drive(try_(inner, let("$.outer", "$.err")))
    drive.fail("0/body/catch", "worse")
    assert drive.ctx == {"err": "dispatcher error for ref 'mend': worse", "outer": drive.ctx["err"]}
    drive = Drive(inner)
    drive.fail("0/catch", "worse")
    assert drive.error["step"] == "0/catch"


def test_a_text_that_cannot_be_written_is_an_error_of_the_try_itself():
    drive = Drive(try_(try_(let("$.x", "$.gone"), err_at="$.s.t"), let("$.x", "1")), {"s": "text"})
    assert drive.ctx["x"] == 1
    assert "$.s.t" in drive.ctx["err"]


def test_an_out_that_does_not_fit_fails_at_its_step():
    drive = Drive(step(out="$.s.t", node_id="put"), {"s": "text"})
    drive.ok("put", 1)
    assert (drive.error["code"], drive.error["step"]) == ("E-PATH", "put")


def test_errors_name_the_node_where_they_happened():
    flow = seq(seq(), loop(seq(branch("true", let("$.x", "1 / 0"))), 2, node_id="turns"))
    error = Drive(flow).error
    assert (error["code"], error["step"]) == ("E-DIV-ZERO", "turns[0]/0/then")
    error = Drive(seq(fanout(seq(), items="3"), node_id="f")).error
    assert (error["code"], error["step"]) == ("E-EVAL", "0")
    assert "fanout.items" in error["message"]
    flow = loop(let("$.x", "1"), 2, "$.n == 0 or 1 / 0", node_id="turns")
    assert Drive(flow).error["step"] == "turns"


def test_a_step_input_that_cannot_be_made_is_caught_before_anything_is_wanted():
    drive = Drive(try_(step(given="$.gone")))
    assert drive.ctx == {"err": "path not found: $.gone"}


def test_the_given_ctx_is_never_changed():
    ctx = {"items": [1, 2], "deep": {"x": 0}}
    flow = seq(let("$.deep.x", "1"), fanout(let("$.deep.y", "$.item"), select=None), loop(seq(), 2))
    after = Drive(flow, ctx).ctx
    assert ctx == {"items": [1, 2], "deep": {"x": 0}}
    assert after["deep"] == {"x": 1}
    assert [lane["deep"] for lane in after["out"]] == [{"x": 1, "y": 1}, {"x": 1, "y": 2}]
