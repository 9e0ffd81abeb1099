from __future__ import annotations

import pytest

from skep.core import events as ev
from skep.core.directory import added, removed, touches
from skep.testing.journal.directory import FINISHED, asked, claimed, revoked, token

HOT = [
    ev.TaskCreated(at=1, task_id="t", agent="a"),
    ev.TaskAttemptStarted(at=1, task_id="t", attempt=1, nonce="n", handle="h"),
    ev.TaskAttemptCompleted(at=1, task_id="t", attempt=1, ok=True),
    ev.TaskPass(at=1, task_id="t"),
]


def test_the_events_of_a_step_do_not_touch_the_directory():
    assert not touches(HOT)
    assert not touches([])
    assert [added(event) for event in HOT] == [()] * len(HOT)
    assert [removed(event) for event in HOT] == [()] * len(HOT)


@pytest.mark.parametrize("event", [asked("q"), token("n"), claimed("q", "h"), revoked("n"), FINISHED])
def test_what_adds_or_takes_away_is_found_among_others(event):
    assert touches([*HOT, event])
    assert added(event) or removed(event)


def test_a_claim_ends_the_handle_of_the_one_before():
    event = claimed("q", "h")
    assert [(gone.kind, gone.subject) for gone in removed(event)] == [("handle", "q")]
    assert [(new.kind, new.subject) for new in added(event)] == [("handle", "q")]
