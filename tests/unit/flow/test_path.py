"""Paths: their text, reading, and writing that never mutates."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import BadSyntax, InvalidPath, PathNotFound
from skep.flow.path import (
    Path,
    compile_find,
    compile_read,
    compile_write,
    format_path,
    parse_path,
    write,
)
from skep.testing.flows import json_values, paths

ROOT = {"a": {"b": 1, "none": None}, "xs": [{"n": "first"}, {"n": "last"}], "text": "abc", "0": "zero"}


def read(text, root=ROOT):
    return compile_read(parse_path(text))(root)


@given(paths())
def test_a_path_survives_the_round_trip_through_text(path):
    assert parse_path(format_path(path)) == path


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("$", ()),
        ("$.a.b", ("a", "b")),
        ('$.a["k.with.dot"]', ("a", "k.with.dot")),
        ("$['it\\'s \"so\"']", ('it\'s "so"',)),
        ('$["\\u00e9\\n"]', ("é\n",)),
        ("$.xs[0][-1].n", ("xs", 0, -1, "n")),
        ("$.0.a-b.ü", ("0", "a-b", "ü")),
        ("$[2]", (2,)),
    ],
)
def test_what_a_path_says(text, segments):
    assert parse_path(text).segments == segments


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("a.b", 1),
        ("$a", 2),
        ("$.", 2),
        ("$.a.", 4),
        ("$.a..b", 4),
        ("$.a b", 4),
        ("$.a+1", 4),
        ("$.a[x]", 4),
        ("$.a[1", 4),
        ('$.a["b]', 4),
        ("$.a[1234567890]", 4),
        ('$["\\ud800"]', 3),
        ('$["\\q"]', 3),
    ],
)
def test_a_path_that_does_not_parse_names_the_column(text, column):
    with pytest.raises(BadSyntax, match=f"column {column}\\b") as caught:
        parse_path(text)
    assert caught.value.fix


def test_the_length_of_a_path_is_bounded():
    with pytest.raises(BadSyntax, match="1,024 characters"):
        parse_path("$." + "a" * 2_000)
    with pytest.raises(BadSyntax, match="100 segments"):
        parse_path("$" + ".a" * 101)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$.a.b", 1),
        ("$.xs[0].n", "first"),
        ("$.xs[-1].n", "last"),
        ("$.a.none", None),
        ("$.0", "zero"),
        ("$", ROOT),
    ],
)
def test_reading(text, value):
    assert read(text) == value


@pytest.mark.parametrize("text", ["$.b", "$.a.c", "$.a.none.x", "$.xs[2]", "$.xs[-3].n", "$.missing[0]"])
def test_what_is_not_there_has_the_published_text(text):
    with pytest.raises(PathNotFound) as caught:
        read(text)
    assert caught.value.what == f"path not found: {text}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$.a.b.c", r"\$\.a\.b is a number, not an object"),
        ("$.text.c", r"\$\.text is a string"),
        ("$.text[0]", r"\$\.text is a string, not an array"),
        ("$.xs.n", r"\$\.xs is an array, not an object"),
        ("$.a[0]", r"\$\.a is an object, not an array"),
    ],
)
def test_a_path_that_does_not_fit_says_where(text, says):
    with pytest.raises(InvalidPath, match=says):
        read(text)


def test_a_misspelt_name_gets_a_hint():
    with pytest.raises(PathNotFound) as caught:
        read("$.verdit", {"verdict": 1})
    assert caught.value.fix == "did you mean 'verdict'?"


@given(json_values(), paths())
def test_finding_is_reading_with_null_for_failure(root, path):
    try:
        value = compile_read(path)(root)
    except (PathNotFound, InvalidPath):
        value = None
    assert compile_find(path)(root) == value


# -- writing -----------------------------------------------------------------------------------


@given(json_values(), paths(), json_values())
def test_what_was_written_is_read_and_the_old_root_stays(root, path, value):
    before = copy.deepcopy(root)
    try:
        new = write(root, path, value)
    except (PathNotFound, InvalidPath):
        assert root == before
        return
    assert root == before
    assert compile_read(path)(new) == value


@given(json_values(), paths(), json_values(), st.data())
def test_writing_changes_nothing_beside_the_path(root, path, value, data):
    other = data.draw(paths())
    shared = min(len(path.segments), len(other.segments))
    if path.segments[:shared] == other.segments[:shared]:
        return  # one lies on the other
    if any(isinstance(segment, int) for segment in (*path.segments, *other.segments)):
        return  # [0] and [-1] may be the same item
    try:
        new = write(root, path, value)
    except (PathNotFound, InvalidPath):
        return
    assert compile_find(other)(new) == compile_find(other)(root)


def attempt_to(act, *args):
    try:
        return act(*args)
    except (PathNotFound, InvalidPath) as error:
        return type(error), str(error)


@given(json_values(), paths(), json_values())
def test_a_compiled_write_does_what_write_does(root, path, value):
    before = copy.deepcopy(root)
    assert attempt_to(compile_write(path), root, value) == attempt_to(write, root, path, value)
    assert root == before


def test_what_is_not_touched_is_shared():
    new = write(ROOT, parse_path("$.a.b"), 2)
    assert new["xs"] is ROOT["xs"]
    assert new["a"] is not ROOT["a"]


@pytest.mark.parametrize(
    ("text", "root", "new"),
    [
        ("$", {"a": 1}, 7),
        ("$.a", {}, {"a": 7}),
        ("$.a.b.c", {}, {"a": {"b": {"c": 7}}}),
        ("$.a.b", {"a": None}, {"a": {"b": 7}}),
        ("$.a", None, {"a": 7}),
        ("$.xs[-1]", {"xs": [1, 2]}, {"xs": [1, 7]}),
        ("$.xs[0].n", {"xs": [{}]}, {"xs": [{"n": 7}]}),
        ("$[1]", [0, 0], [0, 7]),
    ],
)
def test_writing(text, root, new):
    assert write(root, parse_path(text), 7) == new


@pytest.mark.parametrize(
    ("text", "root", "error"),
    [
        ("$.a.b", {"a": "text"}, InvalidPath),
        ("$.a.b", {"a": [1]}, InvalidPath),
        ("$.a[0]", {"a": {"0": 1}}, InvalidPath),
        ("$.a", [1], InvalidPath),
        ("$.a[2]", {"a": [1, 2]}, PathNotFound),
        ("$.a[-3]", {"a": [1, 2]}, PathNotFound),
        ("$.a[0]", {}, PathNotFound),
        ("$.a.b.c", {"a": {"b": True}}, InvalidPath),
    ],
)
def test_writing_where_it_does_not_fit(text, root, error):
    before = copy.deepcopy(root)
    with pytest.raises(error):
        write(root, parse_path(text), 7)
    assert root == before


def test_a_bare_path_is_a_value():
    assert Path(("a",)) == parse_path("$.a")
    assert len({Path(("a",)), parse_path("$.a"), Path(("a", 0))}) == 2
