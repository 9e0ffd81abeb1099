from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.strategy.primitives.text import chunk, jaro_winkler, match_bool, match_enum


@pytest.mark.parametrize(
    ("text", "candidates", "found"),
    [
        ("A or B? I say b.", ["A", "B"], "B"),
        ("category", ["cat", "category"], "cat"),
        ("anything", ["x", ""], ""),
        ("aproved!", ["approved", "rejected"], "approved"),
        ("(Rejectd)", ["approved", "rejected"], "rejected"),
        ("zzz", ["approved", "rejected"], None),
        ("", ["a"], None),
        ("a", [], None),
    ],
)
def test_match_enum(text, candidates, found):
    assert match_enum(text, candidates) == found


def test_of_two_at_one_place_the_earlier_candidate_counts():
    assert match_enum("high", ["high", "hig"]) == "high"
    assert match_enum("high", ["hig", "high"]) == "hig"


def test_a_threshold_is_a_least_likeness():
    assert match_enum("martha", ["marhta"], threshold=0.97) is None
    assert match_enum("martha", ["marhta"], threshold=0.96) == "marhta"


@pytest.mark.parametrize(
    ("a", "b", "like"), [("dwayne", "duane", 0.84), ("dixon", "dicksonx", 0.8133), ("", "", 1)]
)
def test_jaro_winkler(a, b, like):
    assert jaro_winkler(a, b) == pytest.approx(like, abs=1e-4)


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_likeness_is_between_zero_and_one_and_one_for_equals(a, b):
    assert 0 <= jaro_winkler(a, b) <= 1
    assert jaro_winkler(a, a) == 1


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("LGTM", True),
        ("yes, but no", False),
        ("no_yes", True),
        ("failed bypass token passes accepted", None),
        ("väyes", True),
        ("1yes", None),
    ],
)
def test_match_bool(text, meant):
    assert match_bool(text) is meant


@pytest.mark.parametrize(
    ("text", "options", "windows"),
    [
        ("a\nb\r\nc\n", {"size": 2}, ["a\nb", "c"]),
        ("a\n\nb", {"size": 9}, ["a\n\nb"]),
        ("a\nb", {"mode": "words", "size": 1}, ["a", "b"]),
        ("äöü", {"mode": "chars", "size": 2}, ["äö", "ü"]),
        ("abc", {"mode": "chars", "size": 2, "overlap": 2}, ["ab", "bc"]),
        ("abc", {"mode": "chars", "size": 0}, []),
        ("", {}, []),
    ],
)
def test_chunk(text, options, windows):
    assert chunk(text, **options) == windows


@given(st.text("ab\n", max_size=30), st.integers(1, 6), st.integers(0, 6))
def test_windows_of_characters_cover_the_text(text, size, overlap):
    windows = chunk(text, "chars", size, overlap)
    step = size - overlap if overlap < size else 1
    assert "".join(window[:step] for window in windows[:-1]) + (windows[-1] if windows else "") == text
    assert all(len(window) <= size for window in windows)
