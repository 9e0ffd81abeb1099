"""How a run's questions, timers and suspended tasks look, in the tree and as lines."""

from __future__ import annotations

from skep.cli.view.model import RunView
from skep.cli.view.outline import outline
from skep.cli.view.plain import line
from skep.cli.view.tree import Tree
from skep.flow.expr import Lit
from skep.flow.nodes import Ask, Parallel, Seq, Step, Wait
from skep.flow.path import Path

AT = Path(("x",))
ANY = Lit(None)
FLOW = Seq(
    children=(
        Step(agent="a", input=ANY, out=AT),
        Ask(id="sure", question=ANY, audience=("role:senior",), out=AT),
        Parallel(branches={"time": Wait(for_=ANY), "word": Wait(signal="go", out=AT)}, out=AT),
    )
)


def drawn(story):
    view = RunView()
    for item in story.items:
        view.apply(item)
    tree = Tree(outline(FLOW), unicode=False)
    return [text.plain.rstrip() for text in tree.lines(view, view.now, 50)]


def asked(story, **where):
    fields = {"question": "ship\x1b[2J it?", "audience": ["role:senior"], "what": "ask"}
    story.tell("question_asked", key="R-1", **{**fields, **where})


def test_an_open_question_is_shown_with_its_key_until_it_is_answered(story):
    asked(story, step_key="sure")
    [ask] = [text for text in drawn(story) if "sure" in text]
    assert ask.split() == ["?", "sure", "(ask)", "0ms", "R-1", "ship\\x1b[2J", "it?"]
    story.tell("question_answered", key="R-1", by="alice")
    [ask] = [text for text in drawn(story) if "sure" in text]
    assert ask.split()[:3] == ["+", "sure", "(ask)"]


def test_a_question_that_is_closed_is_over(story):
    asked(story, step_key="sure")
    story.tell("question_closed", key="R-1", reason="timeout")
    assert [text.split()[0] for text in drawn(story) if "sure" in text] == ["x"]


def test_a_timer_tells_when_it_goes_on(story):
    story.tell("timer_started", key="2/time", due=65_000)
    [timer] = [
        text for text in drawn(story) if text.split()[1:] and text.split()[0] == "%" and "wait" in text
    ]
    assert "goes on in 1m0" in timer
    story.tell("timer_fired", key="2/time")
    assert not any(text.split()[0] == "%" for text in drawn(story))


def test_a_wait_for_a_signal_is_over_when_that_came(story):
    assert any(text.split() == [".", "wait", "go"] for text in drawn(story))
    story.tell("signal_received", name="go", by="owner")
    assert any(text.split() == ["+", "wait", "go"] for text in drawn(story))


def test_a_suspended_task_shows_its_key_also_after_an_interruption(story):
    task = story.task("0", agent="a")
    story.tell("task_suspended", task_id=task, key="R-senior-T")
    assert any(text.split()[:2] == ["?", "a"] and "R-senior-T" in text for text in drawn(story))
    story.tell("task_attempt_interrupted", task_id=task, attempt=1)
    assert any(text.split()[:2] == ["?", "a"] and "R-senior-T" in text for text in drawn(story))
    story.tell("task_resumed", task_id=task, key="R-senior-T")
    assert not any("R-senior-T" in text for text in drawn(story))


def test_steps_alone_are_counted_as_steps(story):
    asked(story, step_key="sure")
    story.tell("question_answered", key="R-1", by="alice")
    view = RunView()
    for item in story.items:
        view.apply(item)
    assert view.ended == 0


def test_each_has_its_line(story):
    asked(story, step_key="sure")
    story.tell("question_answered", key="R-1", by="alice")
    story.tell("question_closed", key="R-2", reason="withdrawn")
    story.tell("timer_started", key="2/time", due=65_000)
    story.tell("signal_received", name="go", by="owner")
    view = RunView()
    found = [line(view, item, view.apply(item)) for item in story.items]
    assert [text.split(maxsplit=1)[1] for text in found if text is not None][1:4] == [
        "sure asks for senior: ship\\x1b[2J it? (R-1)",
        "R-1 answered by alice",
        "R-2 closed: withdrawn",
    ]
    assert found[-1].endswith("signal go from owner")
