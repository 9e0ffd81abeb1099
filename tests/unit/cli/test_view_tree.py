from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skep.cli.view.model import RunView
from skep.cli.view.outline import Spot
from skep.cli.view.tree import Tree, status_line

OUTLINE = Spot(
    "",
    children=[
        Spot("inventory", "inventory", is_leaf=True),
        Spot("files", "files (fanout)", children=[Spot("files/lint", "lint", is_leaf=True)]),
        Spot("report", "report", is_leaf=True),
    ],
)


def drawn(story, height: int = 40, *, unicode: bool = True) -> list[str]:
    view = RunView()
    for item in story.items:
        view.apply(item)
    return [line.plain.rstrip() for line in Tree(OUTLINE, unicode=unicode).lines(view, view.now, height)]


def test_a_tree_shows_what_was_what_is_and_what_will_be(story):
    story.passes(story.task("inventory", "inventory"))
    story.passes(story.task("files[0]/lint"))
    story.task("files[1]/lint")
    lines = drawn(story, unicode=False)
    assert lines[0].split() == ["+", "inventory", "200ms"]
    assert lines[2].split() == ["*", "lint", "1", "done", "·", "1", "running"]
    assert lines[3].split() == ["*", "[1]", "0ms"]
    assert lines[4].split() == [".", "report"]


def test_a_thousand_lanes_fit_a_small_terminal(story):
    for lane in range(1_000):
        story.task(f"files[{lane}]/lint")
    assert "1,000 running" in " ".join(drawn(story))
    assert len(drawn(story, 8)) <= 8
    assert len(drawn(story, 4)) == 4


@given(height=st.integers(min_value=1, max_value=30), lanes=st.integers(min_value=0, max_value=30))
def test_the_height_is_kept(height, lanes):
    view = RunView()
    for lane in range(lanes):
        key, at = f"files[{lane}]/lint", lane + 1
        view.apply(
            {
                "kind": "task_created",
                "task_id": key,
                "agent": "lint",
                "step_key": key,
                "version": at,
                "at": at,
            }
        )
    assert len(Tree(OUTLINE).lines(view, 0, height)) <= height


def test_what_a_worker_says_cannot_drive_the_terminal(story):
    story.fails(story.task("inventory"), "\x1b[2Jgone\r\n")
    assert "\\x1b[2Jgone\\r\\n" in drawn(story)[0]
    assert not any("\x1b" in line for line in drawn(story))


def test_markup_in_a_note_stays_text(story):
    story.fails(story.task("inventory"), "[bold red]not markup[/]")
    assert "[bold red]not markup[/]" in drawn(story)[0]


def test_what_was_never_visited_is_not_shown_at_the_end(story):
    story.passes(story.task("inventory"))
    story.tell("run_finished", run_id="run-1", status="done")
    assert [line.split()[1] for line in drawn(story)] == ["inventory"]


def test_a_failed_place_is_red_and_says_why(story):
    story.fails(story.task("files[0]/lint"), "first")
    story.fails(story.task("files[1]/lint"), "second")
    text = "\n".join(drawn(story, unicode=False))
    assert "2 failed" in text
    assert "x [1]" in text
    assert "second" in text


def test_the_status_line_counts_everything(story):
    story.passes(story.task("inventory"))
    story.task("elsewhere")
    view = RunView()
    for item in story.items:
        view.apply(item)
    assert status_line(view, 1_100, "Ctrl-C cancels", unicode=False).plain == (
        "* running 1.0s  1 step · 1 running   Ctrl-C cancels"
    )
