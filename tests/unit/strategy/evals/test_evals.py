from __future__ import annotations

import json
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import StrategyError
from skep.strategy import Completed, StrategyHost
from skep.strategy.evals.store import Evals
from skep.strategy.evals.welch import Sample, two_sided, welch
from skep.testing.aio import run


def report(mean, *, n=10, std_dev=0.1, pass_rate=0.5):
    scores = {"n": n, "mean": mean, "std_dev": std_dev, "min": 0, "max": 1, "median": mean}
    aggregated = {
        "total": n, "passed": 5, "pass_rate": pass_rate, "pass_at_1": pass_rate, "scores": scores,
        "ci_95": {"lower": 0.0, "upper": 1.0},
    }  # fmt: skip
    result = {"name": "x", "aggregated": aggregated, "summary": "five of ten"}
    return Completed(result, {"auto": {"llm_calls": 3, "elapsed_ms": 9}, "custom": {}})


def test_an_evaluation_is_kept_in_the_published_form(tmp_path):
    evals = Evals(tmp_path)
    assert evals.save("self_consistency", report(0.8), 5_000) == "self_consistency_5"
    assert evals.save("self_consistency", report(0.8), 5_999) == "self_consistency_6"
    whole = json.loads((tmp_path / "evals" / "self_consistency_5.json").read_text())
    assert whole == evals.detail("self_consistency_5")
    assert (whole["status"], whole["result"]["name"]) == ("completed", "x")
    assert json.loads((tmp_path / "evals" / "self_consistency_5.meta.json").read_text()) == {
        "eval_id": "self_consistency_5", "strategy": "self_consistency", "timestamp": 5, "pass_rate": 0.5,
        "mean_score": 0.8, "total_cases": 10, "passed": 5, "llm_calls": 3, "elapsed_ms": 9, "summary": "five of ten",
    }  # fmt: skip


def test_what_is_no_report_is_not_kept(tmp_path):
    for result in (None, {}, {"aggregated": 3}, "text"):
        with pytest.raises(StrategyError, match="no report"):
            Evals(tmp_path).save("cot", Completed(result, {"auto": {}}), 0)
    with pytest.raises(StrategyError, match="Invalid strategy name"):
        Evals(tmp_path).save("../cot", report(1), 0)


def test_history(tmp_path):
    evals = Evals(tmp_path)
    assert evals.history() == {"evals": []}
    for second, strategy in enumerate(("cot", "sc", "cot")):
        evals.save(strategy, report(0.5), second * 1_000)
    assert [meta["eval_id"] for meta in evals.history()["evals"]] == ["cot_2", "sc_1", "cot_0"]
    assert [meta["eval_id"] for meta in evals.history("cot", 1)["evals"]] == ["cot_2"]
    (tmp_path / "evals" / "sc_1.meta.json").write_text("{")
    found = evals.history()
    assert len(found["evals"]) == 2
    assert "sc_1.meta.json" in found["warnings"][0]


def test_errors_of_detail(tmp_path):
    evals = Evals(tmp_path)
    with pytest.raises(StrategyError, match="Eval result not found: cot_1"):
        evals.detail("cot_1")
    with pytest.raises(StrategyError, match="Invalid eval id"):
        evals.detail("../cot_1")
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "cot_1.json").write_text("[")
    with pytest.raises(StrategyError, match=r"cot_1\.json"):
        evals.detail("cot_1")


def test_compare(tmp_path):
    evals = Evals(tmp_path)
    evals.save("sc", report(0.9, pass_rate=0.75), 1_000)
    evals.save("cot", report(0.7), 2_000)
    found = evals.compare("sc_1", "cot_2")
    assert set(found["a"]) == {"eval_id", "strategy", "scores", "pass_rate", "pass_at_1", "ci_95"}
    comparison = found["comparison"]
    assert comparison["winner"] == "a"
    assert comparison["delta_mean"] == pytest.approx(0.2)
    assert comparison["welch_t"]["direction"] == "a>b"
    assert comparison["welch_t"]["p_value"] == pytest.approx(0.000301, abs=1e-5)
    assert "sc scores 0.200 higher" in comparison["summary"]
    assert "+25.0 percentage points" in comparison["summary"]
    kept = json.loads((tmp_path / "evals" / "compare_sc_1_vs_cot_2.json").read_text())
    assert kept == {"status": "completed", "result": found}
    assert evals.compare("cot_2", "sc_1")["comparison"]["winner"] == "b"
    same = evals.compare("cot_2", "cot_2")["comparison"]
    assert (same["winner"], same["welch_t"]["direction"]) == ("none", "equal")
    assert len(evals.history()["evals"]) == 2


def test_compare_wants_scores(tmp_path):
    evals = Evals(tmp_path)
    broken = report(0.5)
    broken.result["aggregated"]["scores"] = {"n": "many"}
    evals.save("cot", broken, 1_000)
    with pytest.raises(StrategyError, match="cot_1: has no scores"):
        evals.compare("cot_1", "cot_1")


# -- the test itself -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "df", "p"),
    [(0, 5, 1.0), (12.7062, 1, 0.05), (4.302653, 2, 0.05), (2.0, 10, 0.0733880), (1.959964, 1e7, 0.05)],
)  # fmt: skip
def test_two_sided_probabilities_as_tables_have_them(t, df, p):
    assert two_sided(t, df) == pytest.approx(p, abs=6e-5)
    assert two_sided(-t, df) == two_sided(t, df)


def test_samples_without_variance_or_size():
    one, two = Sample(1, 0.5, 0.0), Sample(5, 0.5, 0.0)
    assert welch(one, two).direction == "insufficient_data"
    assert welch(two, two) == welch(two, Sample(5, 0.5, 0.0))
    assert (welch(two, two).t_stat, welch(two, two).df, welch(two, two).p_value) == (0.0, 8.0, 1.0)
    apart = welch(two, Sample(5, 0.6, 0.0))
    assert (apart.t_stat, apart.p_value, apart.significant, apart.direction) == (None, 0.0, True, "a<b")


values = st.lists(st.floats(0, 1).map(lambda x: round(x, 3)), min_size=2, max_size=12)


@given(values, values)
def test_welch_is_antisymmetric_and_its_p_is_a_probability(xs, ys):
    a, b = (Sample(len(v), statistics.mean(v), statistics.stdev(v)) for v in (xs, ys))
    one, two = welch(a, b), welch(b, a)
    assert 0 <= one.p_value <= 1
    assert one.p_value == pytest.approx(two.p_value)
    if one.t_stat is not None:
        assert two.t_stat == pytest.approx(-one.t_stat)
        assert math.isfinite(one.df)


async def nobody(query):
    raise AssertionError(query)


def test_it_agrees_with_alc_math():
    samples = [([0.1, 0.5, 0.9, 0.4], [0.2, 0.3, 0.1]), ([1, 2, 3, 4, 5.5], [2, 4, 6, 8, 10.5, 1])]

    async def go():
        code = "local all = {} for i, s in ipairs(ctx.s) do all[i] = alc.math.welch_t_test(s[1], s[2]) end return all"
        async with StrategyHost() as host:
            return (await host.run(code, {"s": samples}, answer=nobody)).result

    for (xs, ys), found in zip(samples, run(go()), strict=True):
        ours = welch(*(Sample(len(v), statistics.mean(v), statistics.stdev(v)) for v in (xs, ys)))
        assert found["t_stat"] == pytest.approx(ours.t_stat)
        assert found["df"] == pytest.approx(ours.df)
        assert found["p_value"] == pytest.approx(ours.p_value, rel=1e-6)
