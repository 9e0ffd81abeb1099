from __future__ import annotations

from skep.strategy.budget import Budget
from skep.strategy.metrics import Metrics
from skep.strategy.queries import Answer, Error, Query, Usage


def test_a_session_without_questions_has_definite_zeros():
    auto = Metrics(started_at=100).stats(150)["auto"]
    assert auto == {
        "elapsed_ms": 50,
        "llm_calls": 0,
        "pauses": 0,
        "rounds": 0,
        "total_prompt_chars": 0,
        "total_response_chars": 0,
        "prompt_tokens": {"tokens": 0, "source": "definite"},
        "response_tokens": {"tokens": 0, "source": "definite"},
        "total_tokens": {"tokens": 0, "source": "definite"},
    }


def asked(*prompts: str) -> Metrics:
    metrics = Metrics(started_at=0)
    metrics.asked([Query(id=f"q-{n}", prompt=prompt, system="sys") for n, prompt in enumerate(prompts)], 1)
    return metrics


def test_characters_are_utf8_bytes_and_each_item_of_a_batch_is_a_call():
    metrics = asked("abcd", "日本")
    metrics.answered("q-0", Answer("ä"), 2)
    metrics.answered("q-1", Answer("b"), 3)
    metrics.resumed()
    auto = metrics.stats(4)["auto"]
    assert (auto["llm_calls"], auto["pauses"], auto["rounds"]) == (2, 1, 1)
    assert (auto["total_prompt_chars"], auto["total_response_chars"]) == (4 + 6 + 3 + 3, 3)


def test_usage_takes_the_place_of_estimates_and_the_weakest_source_counts():
    metrics = asked("abcd", "efgh")
    metrics.answered("q-0", Answer("x" * 8, Usage(prompt_tokens=50, completion_tokens=7)), 2)
    assert metrics.exchanges["q-0"].prompt_tokens.source == "provided"
    assert metrics.prompt_tokens.source == "estimated"
    metrics.answered("q-1", Answer("y", Usage(prompt_tokens=1, completion_tokens=1)), 2)
    assert metrics.stats(3)["auto"]["total_tokens"] == {"tokens": 59, "source": "provided"}
    assert metrics.spent(3).tokens == 59


def test_a_question_that_failed_keeps_its_prompt_only():
    metrics = asked("abcd")
    before = metrics.spent(1).tokens
    metrics.answered("q-0", Error("the endpoint is gone"), 2)
    assert metrics.exchanges["q-0"].response is None
    assert metrics.spent(2).tokens == before == 2


def test_only_limits_that_are_set_are_shown():
    assert asked("a").stats(1, Budget(max_tokens=9))["auto"]["budget"] == {"max_tokens": 9}
