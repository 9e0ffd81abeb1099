from __future__ import annotations

import pytest

from skep.cli.view.model import NOTES, RunView, TaskView


def seen(story) -> RunView:
    view = RunView()
    for item in story.items:
        view.apply(item)
    return view


def test_lanes_of_one_place_are_counted_together(story):
    for lane in range(5):
        task = story.task(f"files[{lane}]/lint")
        if lane < 3:
            story.passes(task)
    place = seen(story).places["files/lint"]
    assert place.ended == {"done": 3}
    assert [task.lane for task in place.open.values()] == ["[3]", "[4]"]


def test_what_has_ended_is_counted_and_not_kept(story):
    for lane in range(1_000):
        story.passes(story.task(f"files[{lane}]/lint"))
    view = seen(story)
    place = view.places["files/lint"]
    assert (view.ended, place.total, len(place.open)) == (1_000, 1_000, 0)


def test_a_retry_waits_with_its_reason_until_the_next_attempt(story):
    task = story.task("a")
    story.fails(task, "boom", retry_at=9_000)
    view = seen(story)
    waiting = view.places["a"].open[task]
    assert (waiting.state, waiting.retry_at, waiting.problem) == ("retrying", 9_000, "boom")
    story.tell("task_attempt_started", task_id=task, attempt=2)
    view = seen(story)
    again = view.places["a"].open[task]
    assert (again.state, again.attempt, again.retry_at) == ("running", 2, None)


def test_the_last_failures_are_kept_with_their_reason(story):
    for lane in range(10):
        story.fails(story.task(f"files[{lane}]"), f"bad {lane}")
    failures = seen(story).places["files"].failures
    assert [task.problem for task in failures] == ["bad 7", "bad 8", "bad 9"]


def test_progress_and_partial_output_are_the_note_of_their_attempt_only(story):
    task = story.task("a")
    view = seen(story)
    view.apply({"kind": "progress", "task_id": task, "attempt": 1, "at": 1, "stage": "read", "note": "x.py"})
    assert view.places["a"].open[task].note == "read: x.py"
    view.apply({"kind": "partial", "task_id": task, "attempt": 1, "at": 1, "chunk": "one\ntwo\n"})
    assert view.places["a"].open[task].note == "two"
    assert view.apply({"kind": "progress", "task_id": task, "attempt": 7, "at": 1, "stage": "late"}) is None


def test_what_a_lane_said_goes_with_it_from_step_to_step(story):
    view = RunView()
    first = story.task("files[1]/read")
    for item in story.items:
        view.apply(item)
    view.apply({"kind": "progress", "task_id": first, "attempt": 1, "at": 1, "stage": "x.py"})
    story.task("files[1]/lint")
    story.task("files[2]/lint")
    for item in story.items:
        view.apply(item)
    assert [task.note for task in view.places["files/lint"].open.values()] == ["x.py", None]


def test_a_note_that_comes_before_its_attempt_is_durable_is_kept_for_it(story):
    view = RunView()
    view.apply({"kind": "progress", "task_id": "T-a", "attempt": 1, "at": 1, "stage": "early"})
    story.task("a")
    for item in story.items:
        view.apply(item)
    assert view.places["a"].open["T-a"].note == "early"


def test_notes_are_bounded():
    view = RunView()
    for number in range(5_000):
        view.apply({"kind": "progress", "task_id": f"T-{number}", "attempt": 1, "at": 1, "stage": "early"})
    assert len(view._notes) == NOTES


def test_an_event_that_was_seen_before_changes_nothing(story):
    story.passes(story.task("a"))
    view = seen(story)
    for item in story.items:
        assert view.apply(item) is None
    assert view.ended == 1


def test_the_run_itself(story):
    story.task("a")
    story.tell("run_cancel_requested", run_id="run-1", reason="cancelled")
    story.tell("task_cancelled", task_id="T-a")
    view = seen(story)
    assert (view.status, view.cancelling, view.finished) == ("running", "cancelled", None)
    story.tell("run_finished", run_id="run-1", status="cancelled")
    view = seen(story)
    assert (view.status, view.finished) == ("cancelled", 600)


@pytest.mark.parametrize(
    ("key", "name"),
    [("0", "lint"), ("lint", "lint"), ("files[3]/0", "files[3] lint"), ("files[3]/lint", "files[3]/lint")],
)
def test_a_task_is_named_for_people(key, name):
    assert TaskView(id="T-1", agent="lint", key=key).name == name
