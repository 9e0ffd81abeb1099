"""A batch of partial and progress is encoded as each of them alone would be."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep import values
from skep.core.outputs import MAX_PARTIAL, Partial, Progress
from skep.engine.attempts.streamed_lines import encoded_lines
from skep.errors import BadValue

TEXT = st.text(st.characters(codec=None) | st.sampled_from("\n\r\x00\ud800\u2028"), max_size=20)
EVENTS = st.lists(st.builds(Partial, TEXT) | st.builds(Progress, TEXT, st.none() | TEXT))


@given(EVENTS)
def test_each_line_is_one_event_with_its_text_mended(events):
    lines = encoded_lines(events)
    assert len(lines) == len(events)
    for line, event in zip(lines, events, strict=True):
        found = msgspec.json.decode(line, type=Partial | Progress)
        assert type(found) is type(event)
        for name in event.__struct_fields__:
            text = getattr(event, name)
            assert getattr(found, name) == (None if text is None else values.clean_text(text))


@pytest.mark.parametrize(("size", "more"), [(values.MAX_TEXT, 0), (values.MAX_TEXT + 1, 1)])
def test_a_long_stage_is_cut_and_its_neighbours_are_not(size, more):
    lines = encoded_lines([Progress("a"), Progress("é" * size), Progress("b" * size, "c" * size)])
    found = msgspec.json.decode(b"[" + b",".join(lines) + b"]", type=list[Progress])
    tail = f"... ({more} more)" if more else ""
    assert found[0] == Progress("a")
    assert found[1].stage == "é" * values.MAX_TEXT + tail
    assert found[2].stage == "b" * values.MAX_TEXT + tail
    assert found[2].note == "c" * values.MAX_TEXT + tail


def test_a_long_partial_is_cut_at_its_own_limit():
    (line,) = encoded_lines([Partial("x" * (MAX_PARTIAL + 3))])
    assert msgspec.json.decode(line)["chunk"] == "x" * MAX_PARTIAL + "... (3 more)"


@pytest.mark.parametrize("event", [Partial(7), Progress(None), Progress("a", 1), Progress("a", b"b")])
def test_a_field_that_is_no_text_refuses_the_batch(event):
    with pytest.raises(BadValue, match="is not str"):
        encoded_lines([Progress("good"), event])
