from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.cli.json_out import json_text
from skep.cli.text import duration, plural, visible


@given(st.text())
def test_visible_text_holds_nothing_that_drives_a_terminal(text):
    shown = visible(text, 10_000)
    assert not any(unicodedata.category(char) in {"Cc", "Cs"} for char in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


def test_visible_text_says_what_was_there():
    assert visible("a\x1b[2J\n\u202eb\x9b") == "a\\x1b[2J\\n\\u202eb\\x9b"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_visible_text_is_bounded(text, limit):
    assert len(visible(text, limit)) <= limit + 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=10
    )
)
def test_json_text_is_one_harmless_line_that_means_the_value(value):
    line = json_text(value)
    assert json.loads(line) == value
    assert not any(unicodedata.category(char) == "Cc" for char in line)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (-5, "0ms"),
        (999, "999ms"),
        (1_000, "1.0s"),
        (59_999, "59.9s"),
        (60_000, "1m00s"),
        (3_599_999, "59m59s"),
    ],
)
def test_durations_are_short(milliseconds, text):
    assert duration(milliseconds) == text


@given(st.floats(min_value=0, max_value=1e10))
def test_durations_never_take_more_than_six_characters(milliseconds):
    assert len(duration(milliseconds)) <= 6


def test_one_is_not_many():
    assert (plural(1, "run"), plural(2_000, "run")) == ("1 run", "2,000 runs")
