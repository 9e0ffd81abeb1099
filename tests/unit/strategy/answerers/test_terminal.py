"""`Terminal` on a pseudo-terminal of this process."""

from __future__ import annotations

import asyncio
import os
import pty

import pytest

import skep.strategy.answerers.terminal as under_test
import skep.terminal
from skep.errors import ConfigError
from skep.strategy.answerers import Terminal
from skep.strategy.answerers.terminal import shown
from skep.strategy.queries import Answer, Error, Query
from skep.testing.aio import in_loop

CTRL_D = "\x04"


class Person:
    """Types when it is prompted, as `type_at` says: the n-th text at the n-th prompt of a new answer."""

    def __init__(self, *texts):
        self.texts = list(texts)
        self.shown = ""

    def write(self, text):
        self.shown += text
        if text == "> " and self.texts:
            os.write(self.master, self.texts.pop(0).encode(errors="surrogateescape"))

    def flush(self):
        pass


@pytest.fixture
def person(monkeypatch):
    master, terminal = pty.openpty()

    def sit_down(*texts):
        person = Person(*texts)
        person.master = master
        monkeypatch.setattr("sys.stdout", person)
        return person

    monkeypatch.setattr(skep.terminal, "_STDIN", terminal)
    monkeypatch.setattr(under_test, "is_interactive", lambda: True)
    yield sit_down
    os.close(master)
    os.close(terminal)


def query(number=0, **fields):
    return Query(**{"id": f"q1-{number}", "prompt": "Why?", **fields})


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("Because.\n\n", "Because."),
        ("one\ntwo\n   \n", "one\ntwo"),
        ("one\ntwo\n" + CTRL_D, "one\ntwo"),
        ("  indented\n\n", "  indented"),
        ("caf\udce9\n\n", "caf\ufffd"),
    ],
)
def test_lines_up_to_an_empty_one_or_the_end_are_the_answer(person, typed, text):
    someone = person(typed)

    @in_loop
    async def ask():
        assert await Terminal()(query()) == Answer(text)

    ask()
    assert someone.shown.startswith("\nq1-0 (at most 1,024 tokens)\n  Why?\n")


def test_an_empty_line_alone_is_no_answer(person):
    person("\n", "Because.\n\n")

    @in_loop
    async def ask():
        assert await Terminal()(query()) == Answer("Because.")

    ask()


def test_a_query_may_be_left_unanswered(person):
    person(CTRL_D)

    @in_loop
    async def ask():
        assert await Terminal()(query()) == Error("query q1-0 was left unanswered at the terminal")

    ask()


def test_queries_are_put_one_after_the_other(person):
    someone = person("first\n\n", "second\n\n")

    @in_loop
    async def ask():
        terminal = Terminal()
        answers = await asyncio.gather(terminal(query(0)), terminal(query(1)))
        assert answers == [Answer("first"), Answer("second")]

    ask()
    assert someone.shown.index("q1-0") < someone.shown.index("> ") < someone.shown.index("q1-1")


def test_what_is_too_long_is_not_taken(person):
    person("12345\n67\n\n")

    @in_loop
    async def ask():
        answer = await Terminal(max_answer=8)(query())
        assert answer == Error("the answer to query q1-0 has more than 8 characters")

    ask()


def test_who_is_no_longer_asked_gives_the_terminal_back(person):
    someone = person()

    @in_loop
    async def ask():
        terminal = Terminal()
        asking = asyncio.create_task(terminal(query(0)))
        while "> " not in someone.shown:
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        someone.texts = ["second\n\n"]
        assert await terminal(query(1)) == Answer("second")

    ask()


def test_nobody_at_the_terminal_is_told_at_once(monkeypatch):
    monkeypatch.setattr(under_test, "is_interactive", lambda: False)
    with pytest.raises(ConfigError, match="nobody sits at a terminal"):
        Terminal()


def test_system_hints_and_options_are_shown():
    text = shown(query(system="Be\nbrief.", grounded=True, underspecified=True, options={"temperature": 0.5}))
    assert text.splitlines()[1:5] == [
        "q1-0 (needs evidence; depends on what is meant; temperature: 0.5; at most 1,024 tokens)",
        "  system: Be",
        "  system: brief.",
        "  Why?",
    ]


def test_nothing_that_drives_a_terminal_is_shown():
    evil = "\x1b]0;owned\x07\x9b2J\u202e\r"
    text = shown(Query(id="q1-0", prompt=evil, system=evil, options={evil: evil, "a": [evil]}))
    assert not set(text) & set("\x1b\x07\x9b\u202e\r")


def test_a_prompt_without_end_is_shown_in_part():
    text = shown(query(prompt="line\n" * 100_000 + "x" * 100_000))
    assert "(99,801 more lines)" in text
    assert len(text) < 10_000
    assert len(shown(query(prompt="x" * 1_000_000, options={"o": "x" * 1_000_000}))) < 3_000
