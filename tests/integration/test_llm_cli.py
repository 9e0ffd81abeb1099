"""The example of a language model's command line, run as it is."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLUEPRINT = str(ROOT / "examples" / "llm_cli" / "blueprint.yaml")
TEXT = "Bees dance. The dance of bees tells other bees the way. Rain."


def test_three_ways_to_call_it(skep):
    found = skep.json("run", BLUEPRINT, "--input", f"text={TEXT}")
    assert found["status"] == "done", found
    result = found["result"]
    assert result["summary"] == "In short: The dance of bees tells other bees the way."
    assert result["judgement"] == {"verdict": "pass"}
    assert result["words"] == [
        {"input_words": 12, "output_words": 9},
        {"input_words": 11, "output_words": 11},
    ]


def test_an_empty_text_is_blocked(skep):
    found = skep.json("run", BLUEPRINT, "--input", "text=")
    assert found["status"] == "failed"
    assert "summarise" in str(found["error"])
