"""Whoever answers the questions of a strategy: a function of one query (DESIGN section 10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from skep.strategy.queries import Answer, Error, Query, Reply

Answerer = Callable[[Query], Awaitable[str | Reply]]
"""Answers one query; several are asked at once, so it may be called again before it has answered.

`Error` is an answer too: `alc.llm` raises it, and the package may catch that. What the answerer raises ends the
session.
"""


def reply_of(given: str | Reply) -> Reply:
    """An answer in its full form.

    >>> reply_of("42")
    Answer(text='42', usage=None)
    """
    return given if isinstance(given, Answer | Error) else Answer(given)
