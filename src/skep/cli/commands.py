"""The commands that a person is told to type."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skep.engine.acts.questions import OpenQuestion


def command(store: str | None, *words: str) -> str:
    """A command on the same store.

    >>> command("sqlite:///my runs.db", "answer", "R-1", "VALUE")
    "skep answer R-1 VALUE --store 'sqlite:///my runs.db'"
    """
    option = () if store is None else ("--store", store)
    return f"skep {shlex.join((*words, *option))}"


def answering(store: str | None, question: OpenQuestion) -> str:
    """The command that answers a question, or takes work from a seat."""
    seat = next((name.partition(":")[2] for name in question.audience if name.startswith("seat:")), None)
    if question.what == "work" and seat is not None:
        return command(store, "operator", seat)
    held = () if question.refusal is None else ("--token-file", "FILE")
    return command(store, "answer", question.key, "VALUE", *held)
