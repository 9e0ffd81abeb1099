"""For each bundled strategy, answers under which it goes through all of its rounds, with default options."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Play(Struct):
    """Answers by what a prompt says, and what the number of calls depends on besides the options."""

    answers: dict[str, str] | list[str]
    ctx: dict[str, Any] = {}
    known: dict[str, Any] = {}


def listed(count: int) -> str:
    return "\n".join(f"{n}. item {n}" for n in range(1, count + 1))


ANY = {".": "an answer"}

PLAYS = {
    "calibrate": Play({".": "1. Rome | 0.8\n2. Paris | 0.2"}),
    "cod": Play({"Which one": "Missing: a name\nSummary: denser", ".": "a summary"}),
    "cot": Play(ANY),
    "cove": Play({"questions that check": listed(5), ".": "an answer"}),
    "debate": Play(["Answer: 1", "Answer: 2", "Answer: 2"] * 3),
    "decompose": Play({"Handlers:": "Next: [answer] a part", ".": "an answer"}),
    "distill": Play(
        {"Part": "y" * 50, ".": "all of it"},
        {"text": "x" * 600, "size": 200, "overlap": 0},
        {"levels": [3, 1]},
    ),
    "factscore": Play(
        {"Break": listed(100), "Statement": "Verdict: true", ".": "It is so."}, known={"sentences": 1}
    ),
    "least_to_most": Play({"easier questions": listed(6), ".": "an answer"}),
    "moa": Play(ANY),
    "panel": Play({"Which 3 experts": listed(3), "these steps": "Answer: so", ".": "an answer"}),
    "plan_solve": Play(ANY),
    "rank": Play({"Which answer": "Choice: A", ".": "an answer"}),
    "reflect": Play(ANY),
    "reflexion": Play({"Does the attempt": "Verdict: fail", ".": "an answer"}),
    "s2a": Play({"Text by": "Context: c\nQuestion: q", ".": "an answer"}),
    "sc": Play({".": "Answer: 2"}),
    "sot": Play({"only the skeleton": listed(10), ".": "some words"}),
    "step_back": Play(ANY),
    "tot": Play({"Propose": listed(3), "Can these": "Value: likely", ".": "an answer"}),
    "triad": Play({"debater A": "yes", "debater B": "no", "You are the judge": "Winner: B", ".": "because"}),
    "ucb": Play({"How good": "Score: 7", ".": "an answer"}),
    "usc": Play({"Several responses": "Choice: 3", ".": "an answer"}),
}
