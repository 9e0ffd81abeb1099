from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from skep.core.events import RunFinished, RunStarted, TaskPass, WorkerOutput
from skep.core.outputs import final, inline
from skep.errors import StoreCorrupt
from skep.journal.codec import decode_events, encode_events, join
from skep.testing.events import any_event


@given(st.lists(st.lists(any_event(), min_size=1, max_size=3), min_size=1, max_size=4))
def test_joined_chunks_decode_to_all_events_in_order(appends):
    together = [event for events in appends for event in events]
    data = join([encode_events(events) for events in appends])
    assert data == encode_events(together)
    assert decode_events("run:a", 1, len(together), data) == together


def test_decoded_values_do_not_keep_the_row_alive():
    output = WorkerOutput(at=1, task_id="t", attempt=1, event=final({"text": "x" * 1000}))
    started = RunStarted(
        at=1, run_id="r", blueprint="b", blueprint_id="i", input=inline({"y": [1, 2]}), work_dir="/"
    )
    data = encode_events([output, started, RunFinished(at=1, run_id="r", status="done", result=inline([1]))])
    before = sys.getrefcount(data)
    events = decode_events("run:a", 1, 3, data)
    assert sys.getrefcount(data) == before
    assert events[0] == output
    assert isinstance(events[1], RunStarted)
    assert events[1].input == inline({"y": [1, 2]})


def test_values_stand_in_the_row_as_they_came():
    odd = Raw(b'{"b": 1,  "a":1.0}')
    event = RunFinished(at=1, run_id="r", status="done", result=type(inline(1))(odd))
    assert bytes(odd) in encode_events([event])


@pytest.mark.parametrize(
    ("data", "count", "says"),
    [
        (b'[{"kind":"from_the_future","at":1}]', 1, "cannot be understood.*from_the_future"),
        (b'[{"kind":"task_pass","at":"soon","task_id":"t"}]', 1, "cannot be understood"),
        (b'[{"kind":"task_pass"', 1, "damaged"),
        (b"\xff\xfe", 1, "damaged"),
        (b"[]", 1, "damaged: it holds 0 events, not 1"),
        (b"[" * 100_000, 1, "damaged|cannot be understood"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(data, count, says):
    with pytest.raises(StoreCorrupt, match=says) as caught:
        decode_events("run:a", 7, count, data)
    assert caught.value.where == "run:a"
    assert "version 7" in caught.value.what
    assert caught.value.fix


def test_unknown_fields_of_a_known_event_are_for_newer_readers():
    data = b'[{"kind":"task_pass","at":1,"task_id":"t","added_later":true}]'
    assert decode_events("run:a", 1, 1, data) == [TaskPass(at=1, task_id="t")]
