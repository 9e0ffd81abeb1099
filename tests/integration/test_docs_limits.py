"""The example of docs/limits-and-audits.md runs, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

from msgspec.structs import fields

from skep import load_blueprint, run_sync
from skep.core.usage import read_usage
from skep.errors import BudgetExhausted
from skep.flow.call_order import call_order
from skep.flow.lint import lint
from skep.host import standard_catalog
from skep.layers.budget import BudgetOptions
from skep.layers.concurrency import ConcurrencyOptions
from skep.layers.rate_limit import RateLimitOptions

TEXT = (Path(__file__).parents[2] / "docs" / "limits-and-audits.md").read_text()
AGENTS = """
def write(inv):
    inv.artifact("usage", {"tokens": 10})
    return inv.input + " in a " + inv.meta["context"]["style"] + " text"

def check(inv):
    return {"grade": 1}
"""


def test_the_example_lints_clean_and_runs(tmp_path):
    [block] = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    (tmp_path / "b.yaml").write_text(block)
    (tmp_path / "agents.py").write_text(AGENTS)
    loaded = load_blueprint(tmp_path / "b.yaml")
    assert lint(loaded.blueprint, standard_catalog()) == []
    result = run_sync(loaded, {"topics": ["bees", "hives"]}, work_dir=tmp_path)
    assert result["texts"] == ["bees in a short text", "hives in a short text"]
    calls = {
        agent.agent: [call.key for call in agent.layers]
        for agent in call_order(loaded.blueprint, standard_catalog())
    }
    assert calls["write"] == ["concurrency", "rate_limit", "budget", "after_run_audit", "agent_context"]
    assert calls["check"] == ["concurrency", "rate_limit", "budget", "agent_context"]


def test_every_option_is_named():
    named = set(re.findall(r"[\w-]+", TEXT))
    for options in (ConcurrencyOptions, RateLimitOptions, BudgetOptions):
        assert {field.encode_name for field in fields(options)} <= named
    assert BudgetExhausted.code in TEXT


def test_every_shape_of_usage_is_understood():
    for name in (
        "tokens",
        "total_tokens",
        "input_tokens",
        "output_tokens",
        "prompt_tokens",
        "completion_tokens",
    ):
        assert f"`{name}`" in TEXT
        assert read_usage({"usage": {name: 7}}).tokens == 7
    for name in ("money", "cost_usd", "total_cost_usd"):
        assert f"`{name}`" in TEXT
        assert read_usage({name: 0.5}).money == 500_000
