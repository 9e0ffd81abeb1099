from __future__ import annotations

import io
import sys

import pytest

from skep.cli.inputs import read_input
from skep.errors import BadValue, ConfigError, LimitExceeded


def test_a_value_is_json_where_it_parses_and_text_where_not():
    pairs = [
        "n=3",
        "path=src/skep",
        "list=[1, 2]",
        "word=true-ish",
        "flag=true",
        'quoted="3"',
        "empty=",
        "eq=a=b",
    ]
    assert read_input(pairs, None) == {
        "n": 3,
        "path": "src/skep",
        "list": [1, 2],
        "word": "true-ish",
        "flag": True,
        "quoted": "3",
        "empty": "",
        "eq": "a=b",
    }


@pytest.mark.parametrize("pair", ["path", "=x", ""])
def test_a_pair_needs_a_key_and_a_value(pair):
    with pytest.raises(BadValue, match="not K=V"):
        read_input([pair], None)


def test_pairs_stand_over_the_object(tmp_path):
    file = tmp_path / "in.json"
    file.write_text('{"a": 1, "b": 2}')
    assert read_input(["b=3"], str(file)) == {"a": 1, "b": 3}


def test_the_object_may_come_from_stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a": [1]}')))
    assert read_input([], "-") == {"a": [1]}


@pytest.mark.parametrize("text", ["[1]", "3", '"x"', "", "{", "NaN", '{"a": 1e999}', "\x00"])
def test_what_is_no_json_object_is_refused(tmp_path, text):
    file = tmp_path / "in.json"
    file.write_text(text)
    with pytest.raises(BadValue):
        read_input([], str(file))


def test_a_deep_value_is_refused_and_not_taken_for_text():
    with pytest.raises(LimitExceeded):
        read_input(["a=" + "[" * 200 + "]" * 200], None)


def test_text_that_utf8_cannot_carry_is_refused():
    with pytest.raises(BadValue, match="surrogate"):
        read_input(["name=\udcff"], None)


def test_a_pair_is_given_once():
    with pytest.raises(BadValue, match="--input x: given twice"):
        read_input(["x=1", "x=2"], None)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"b": [{"a": 1, "a": 1}]}', "twice"),
        (b"", "empty"),
        (b'{"a": "\xff"}', "byte 7 is not UTF-8"),
        (b'{"a": "\\ud800"}', "write"),
        (b'{"a": ', "write"),
    ],
)
def test_what_is_wrong_with_an_object_is_said_with_the_remedy(monkeypatch, data, what):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    with pytest.raises(BadValue, match=what) as caught:
        read_input([], "-")
    assert caught.value.fix


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        read_input([], str(tmp_path / "none.json"))
