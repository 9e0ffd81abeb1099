from __future__ import annotations

import pytest

from skep.errors import BadSyntax, ConfigError, LimitExceeded
from skep.limits import DEFAULT_LIMITS
from skep.strategy.answerers.scripted import Scripted
from skep.strategy.queries import Answer, Error, Query
from skep.testing.aio import run


def answers(script: Scripted, *prompts: str) -> list[Answer | Error]:
    async def ask() -> list[Answer | Error]:
        return [await script(Query(id=f"q-{n}", prompt=prompt)) for n, prompt in enumerate(prompts)]

    return run(ask())


def test_a_list_answers_in_turn_and_then_not_at_all():
    first, second, third = answers(Scripted(["a", "b"]), "x", "x", "the last question")
    assert (first, second) == (Answer("a"), Answer("b"))
    assert third == Error("no answer is written for query q-2: the last question")


def test_a_mapping_answers_by_the_first_pattern_that_is_found():
    script = Scripted({"judge|rank": "8", "^Solve": "42"})
    assert answers(script, "Solve and rank it", "Solve it", "draw it")[:2] == [Answer("8"), Answer("42")]
    assert [query.prompt for query in script.asked] == ["Solve and rank it", "Solve it", "draw it"]


@pytest.mark.parametrize("script", [[1], {"a": 2}, {"(": "x"}, "text", [None]])
def test_what_is_no_script_is_refused_before_anything_is_asked(script):
    with pytest.raises(ConfigError):
        Scripted(script)


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "- one\n- two\n"), ("a.json", '["one", "two"]')])
def test_a_file_holds_the_same(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert answers(Scripted.from_file(tmp_path / name), "x", "y") == [Answer("one"), Answer("two")]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"just text", ConfigError),
        (b"\xff", BadSyntax),
        (b"- [", BadSyntax),
        (b"- 1", ConfigError),
        (b"#" * (DEFAULT_LIMITS.max_blueprint_bytes + 1), LimitExceeded),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, error):
    path = tmp_path / "answers.yaml"
    path.write_bytes(content)
    with pytest.raises(error):
        Scripted.from_file(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        Scripted.from_file(tmp_path / "none.yaml")
