from __future__ import annotations

import io
import os

from skep.cli.view.model import RunView
from skep.cli.view.plain import Lines, line


def told(story) -> list[str]:
    view = RunView()
    lines = [line(view, item, view.apply(item)) for item in story.items]
    return [text.strip() for text in lines if text is not None]


def test_each_thing_worth_knowing_has_a_line(story):
    task = story.task("files[3]/lint")
    story.fails(task, "boom", retry_at=1_400)
    story.tell("task_attempt_started", task_id=task, attempt=2)
    story.passes(task, attempt=2)
    assert told(story) == [
        "0ms  run run-1 of review started",
        "200ms  files[3]/lint started",
        "300ms  files[3]/lint failed, next attempt in 1.0s: boom",
        "400ms  files[3]/lint started (attempt 2)",
        "600ms  files[3]/lint done in 200ms (attempt 2)",
    ]


def test_a_failure_is_told_once_with_its_reason_made_visible(story):
    story.fails(story.task("a"), "bad\x1b[0m")
    assert [text for text in told(story) if "failed" in text] == [
        "400ms  a lint failed in 200ms: bad\\x1b[0m"
    ]


def test_lines_begin_when_the_watcher_came(story):
    stream = io.StringIO()
    lines = Lines(stream, since=10**14)
    for item in story.items:
        lines.take(item)
    assert stream.getvalue() == ""
    lines.take({"kind": "run_recovered", "version": 2, "at": 10**15, "run_id": "run-1", "generation": 2})
    assert "run run-1 goes on" in stream.getvalue()


def test_a_reader_that_has_gone_does_not_stop_the_run():
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        lines = Lines(stream)
        lines.stopping()
        lines.stopping()
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
