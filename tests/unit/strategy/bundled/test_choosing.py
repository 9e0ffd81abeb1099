"""sc, usc, rank, ucb, calibrate, moa: of many answers, one."""

from __future__ import annotations

import re

import pytest

from bundled_strategies import drive


def test_sc_takes_what_most_paths_reach():
    paths = ["so\nAnswer: 7", "Answer: 8", "Answer: 8.", "**Answer:** 8", "no idea"]
    driven = drive("sc", paths, task="?")
    assert driven.result == {
        "answer": "8",
        "votes": 3,
        "agreement": 0.75,
        "answers": ["7", "8", "8.", "8"],
        "unreadable": 1,
    }
    assert driven.pauses == 1
    assert {query.options["temperature"] for query in driven.asked} == {0.7}
    assert driven.end.stats["custom"] == {"sc.agreement": 0.75}


def test_sc_takes_the_first_of_equally_many():
    assert drive("sc", ["Answer: b", "Answer: a"], task="?", paths=2).result["answer"] == "b"


def test_sc_without_any_answer_says_so():
    assert drive("sc", ["x", "y"], task="?", paths=2).error == "sc: none of the paths ended with an answer"


def test_an_option_that_is_null_has_its_default():
    assert len(drive("sc", {".": "Answer: x"}, task="?", paths=None, llm=None).asked) == 5


def test_what_the_caller_gives_goes_with_every_question():
    llm = {"temperature": 0.1, "model": "m", "system": "s", "max_tokens": 9, "top_p": 0.5}
    for query in drive("sc", ["Answer: x"] * 2, task="?", paths=2, llm=llm).asked:
        assert (query.system, query.max_tokens) == ("s", 9)
        assert query.options == {"temperature": 0.1, "model": "m", "top_p": 0.5}


def test_usc_lets_the_model_choose():
    driven = drive("usc", ["a", "b", "b!", "They agree.\nChoice: 2"], task="?", samples=3)
    assert driven.result == {"answer": "b", "choice": 2, "decided": True, "answers": ["a", "b", "b!"]}
    assert "Response 3:\nb!" in driven.prompts[3]


@pytest.mark.parametrize("said", ["Choice: 4", "the second", "Choice: none"])
def test_usc_takes_the_first_when_no_choice_can_be_read(said):
    result = drive("usc", ["a", "b", "c", said, said], task="?", samples=3).result
    assert (result["answer"], result["decided"]) == ("a", False)


def better(order: str):
    """A judge for whom what stands earlier in `order` is better."""

    def judge(query):
        a, b = re.search(r"A:\n(.+)\n\nAnswer B:\n(.+)\n\n", query.prompt).groups()
        return f"Choice: {'A' if order.index(a) < order.index(b) else 'B'}"

    return judge


def test_rank_orders_by_wins():
    driven = drive("rank", better("cab"), task="?", candidates=["a", "b", "c"])
    assert driven.result["answer"] == "c"
    assert [(one["candidate"], one["points"], one["index"]) for one in driven.result["ranking"]] == [
        ("c", 2.0, 3),
        ("a", 1.0, 1),
        ("b", 0.0, 2),
    ]
    assert (len(driven.asked), driven.pauses) == (6, 1)


def test_rank_gives_half_a_point_when_the_order_decides():
    ranking = drive("rank", {".": "Choice: A"}, task="?", candidates=["a", "b", "c"]).result["ranking"]
    assert [one["points"] for one in ranking] == [1.0, 1.0, 1.0]
    assert [one["candidate"] for one in ranking] == ["a", "b", "c"]


def test_rank_counts_what_cannot_be_read_as_a_draw():
    driven = drive("rank", ["x", "Choice: B"], task="?", candidates=["a", "b"])
    assert driven.result["unreadable"] == 1
    assert [one["points"] for one in driven.result["ranking"]] == [0.75, 0.25]


def test_rank_makes_its_candidates_itself():
    driven = drive("rank", [" a ", "b", "Choice: B", "Choice: A"], task="write", n=2)
    assert driven.result["answer"] == "b"
    assert driven.prompts[:2] == ["write", "write"]


SCORES = {"Answer:\ngood": "Score: 9", "Answer:\nfair": "Score: 6", ".": "Score: 2"}


def test_ucb_looks_more_often_at_the_better_candidates():
    driven = drive("ucb", SCORES, task="?", candidates=["bad", "good", "fair"], pulls=30)
    bad, good, fair = driven.result["arms"]
    assert driven.result["answer"] == "good"
    assert good["pulls"] > fair["pulls"] > bad["pulls"] >= 1
    assert sum(arm["pulls"] for arm in driven.result["arms"]) == len(driven.asked) == 30
    assert good["mean"] == pytest.approx(8 / 9)


@pytest.mark.parametrize(("exploration", "pulls"), [(0, [1, 18, 1]), (100, [7, 7, 6])])
def test_ucb_explores_as_much_as_it_is_told(exploration, pulls):
    arms = drive(
        "ucb", SCORES, task="?", candidates=["bad", "good", "fair"], pulls=20, exploration=exploration
    ).result["arms"]
    assert sorted(arm["pulls"] for arm in arms) == sorted(pulls)
    assert max(arms, key=lambda arm: arm["pulls"])["pulls"] == max(pulls)


def test_ucb_judges_each_candidate_at_least_once():
    driven = drive("ucb", ["a", "b", "Score: 1", "x"], task="?", n=2, pulls=1)
    assert driven.result["arms"] == [
        {"candidate": "a", "pulls": 1, "mean": 0.0},
        {"candidate": "b", "pulls": 1, "mean": 0.5},
    ]
    assert driven.result["unreadable"] == 1


def test_ucb_stops_with_what_it_knows_when_the_budget_ends():
    driven = drive("ucb", SCORES, task="?", candidates=["bad", "good"], calls=5)
    assert (driven.result["answer"], driven.result["stopped"], len(driven.asked)) == ("good", "budget", 5)


def test_calibrate_weighs_answers_by_their_confidence():
    samples = ["1. a | 0.9\n2. b | 0.1", "1. b | 60%", "2. x | 0.1\n1. A. | 0.5"]
    driven = drive("calibrate", samples, task="?")
    result = driven.result
    assert (result["answer"], result["confident"]) == ("a", True)
    assert result["confidence"] == pytest.approx(1.4 / 2.0)
    assert [guess["answer"] for guess in result["guesses"]] == ["a", "b"]
    assert driven.pauses == 1


def test_calibrate_has_one_samples_own_word():
    result = drive("calibrate", ["1. a | 0.6\n2. b | 0.3"], task="?", samples=1).result
    assert (result["confidence"], result["confident"]) == (0.6, False)


@pytest.mark.parametrize(
    "said", ["a, surely", "1. a | 1.5", "1. a | high", "1. | 0.5", "1. a | ..", "a | 0.5"]
)
def test_calibrate_leaves_out_what_cannot_be_read(said):
    result = drive("calibrate", [said, "1. b | 0.5"], task="?", samples=2).result
    assert (result["answer"], result["unreadable"]) == ("b", 1)
    assert "none of the samples" in drive("calibrate", [said], task="?", samples=1).error


def test_calibrate_bears_a_confidence_of_nothing():
    result = drive("calibrate", ["1. a | 0", "1. b | 0"], task="?", samples=2).result
    assert (result["answer"], result["confidence"]) == ("a", 0)


def test_moa_builds_each_layer_on_the_one_before():
    driven = drive("moa", ["a", "b", "c", "d", "all"], task="t", n=2, llm={"system": "Be brief."})
    assert driven.result == {"answer": "all", "layers": [["a", "b"], ["c", "d"]]}
    assert driven.prompts == ["t"] * 5
    first, _, second, _, last = [query.system for query in driven.asked]
    assert first == "Be brief."
    assert second.startswith("Be brief.")
    assert "Answer 1:\na\n\nAnswer 2:\nb" in second
    assert "Answer 1:\nc\n\nAnswer 2:\nd" in last
    assert driven.pauses == 3


def test_moa_gives_each_proposer_a_model():
    driven = drive("moa", {".": "x"}, task="t", n=3, layers=1, models=["m1", "m2"], aggregator="m3")
    assert [query.options["model"] for query in driven.asked] == ["m1", "m2", "m1", "m3"]
