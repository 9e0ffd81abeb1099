"""Durations and moments."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import EvalError
from skep.flow.waiting import MAX_MOMENT_MS, MAX_SECONDS, duration, moment


@pytest.mark.parametrize(
    ("value", "seconds"), [(1, 1.0), (0.25, 0.25), (-3, 0.0), (-1e300, 0.0), (MAX_SECONDS, MAX_SECONDS)]
)
def test_a_duration_is_seconds_and_never_negative(value, seconds):
    assert duration(value) == seconds
    assert type(duration(value)) is float


@pytest.mark.parametrize("value", ["60", None, True, [], {}, MAX_SECONDS + 1, 1e300, 2**63])
def test_what_is_no_duration(value):
    with pytest.raises(EvalError, match=r"wait\.for") as caught:
        duration(value)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        (0, 0),
        (1.0015, 1_002),
        (1_896_073_200, 1_896_073_200_000),
        (-1e300, 0),
        (-(2**63), 0),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5z", 1_500),
        ("1970-01-01t01:00:00.123456789+01:00", 123),
        ("1970-01-01 00:00:00-00:30", 1_800_000),
        ("0001-01-01T00:00:00+23:59", 0),
        ("9999-12-31T23:59:59.999Z", MAX_MOMENT_MS),
    ],
)
def test_a_moment_is_milliseconds_since_the_epoch(value, ms):
    assert moment(value) == ms


@pytest.mark.parametrize(
    "value",
    [
        None,
        False,
        [],
        {},
        1_896_073_200_000,
        1e300,
        1.7e308,
        "",
        "tomorrow",
        "2030-01-31",
        "2030-01-31T08:00",
        "2030-01-31T08:00:00",
        "2030-02-31T08:00:00Z",
        "2030-01-31T24:00:00Z",
        "2030-01-31T08:00:60Z",
        "2030-01-31T08:00:00+25:00",
        "2030-01-31T08:00:00Z\n",
        "२०३०-01-31T08:00:00Z",
        "20300131T080000Z",
        "9999-12-31T23:59:59-23:59",
        "x" * 100_000,
    ],
)
def test_what_is_no_moment(value):
    with pytest.raises(EvalError, match=r"wait\.until") as caught:
        moment(value)
    assert caught.value.fix
    assert len(str(caught.value)) < 300


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis adds the zone
def test_text_and_number_agree(when):
    whole = when.replace(microsecond=0)
    assert moment(whole.isoformat()) == moment(int(whole.timestamp()))
