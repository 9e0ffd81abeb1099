"""Whoever answers the questions of a strategy: a function of one query (DESIGN section 10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct

from skep import values
from skep.errors import BadValue
from skep.limits import MIB
from skep.strategy.queries import DEFAULT_MAX_TOKENS, Answer, Error, Query, Reply, Usage
from skep.values import type_of

Answerer = Callable[[Query], Awaitable[str | Reply]]
"""Answers one query; several are asked at once, so it may be called again before it has answered.

`Error` is an answer too: `alc.llm` raises it, and the package may catch that. What the answerer raises ends the
session.
"""

MAX_ANSWER_BYTES = 16 * MIB
"""What a program or an endpoint may send for one answer, everything around the text included."""


class _Given(Struct, frozen=True, forbid_unknown_fields=True):
    text: str | None = None
    usage: Usage | None = None
    error: str | None = None


def reply_of(given: str | Reply) -> Reply:
    """An answer in its full form.

    >>> reply_of("42")
    Answer(text='42', usage=None)
    """
    return given if isinstance(given, Answer | Error) else Answer(given)


def query_json(query: Query) -> dict[str, Any]:
    """A query for somebody outside; what is as usual is left out.

    >>> query_json(Query(id="q1-0", prompt="Why?", options={"temperature": 0}))
    {'query_id': 'q1-0', 'prompt': 'Why?', 'options': {'temperature': 0}}
    """
    told: dict[str, Any] = {"query_id": query.id, "prompt": query.prompt}
    if query.system is not None:
        told["system"] = query.system
    if query.max_tokens != DEFAULT_MAX_TOKENS:
        told["max_tokens"] = query.max_tokens
    told |= {name: True for name in ("grounded", "underspecified") if getattr(query, name)}
    return told | ({"options": query.options} if query.options else {})


def read_query(told: Any) -> Query | None:
    """The query that `query_json` told; `None` if it is something else.

    >>> read_query({"query_id": "q1-0", "prompt": "Why?"}).max_tokens
    1024
    """
    if type_of(told) is not dict:
        return None
    renamed = {"id" if name == "query_id" else name: value for name, value in told.items()}
    try:
        return msgspec.convert(renamed, Query)
    except msgspec.ValidationError:
        return None


def reply_json(reply: str | Reply) -> Any:
    """A reply as `read_reply` reads it."""
    if isinstance(reply, str):
        return reply
    told = (
        {"error": reply.message} if isinstance(reply, Error) else {"text": reply.text, "usage": reply.usage}
    )
    return msgspec.to_builtins({name: value for name, value in told.items() if value is not None})


def read_reply(value: Any, where: str = "answer") -> Reply:
    """What somebody outside has answered: text, `{"text", "usage"}` or `{"error"}`.

    A number, `true` and `false` stand for their text: that is how JSON reads what a person types.

    >>> read_reply({"text": "42", "usage": {"completion_tokens": 1}})
    Answer(text='42', usage=Usage(prompt_tokens=None, completion_tokens=1))
    >>> read_reply(8), read_reply({"error": "no idea"})
    (Answer(text='8', usage=None), Error(message='no idea'))

    Raises:
        BadValue: it is none of these.
    """
    if isinstance(value, str):
        return Answer(value)
    if isinstance(value, bool | int | float):
        return Answer(values.canonical(value).decode())
    try:
        given = msgspec.convert(value, _Given)
    except msgspec.ValidationError as error:
        raise _no_reply(str(error), where) from error
    if given.error is not None and given.text is None and given.usage is None:
        return Error(given.error)
    if given.text is None or given.error is not None:
        raise _no_reply("either text or error", where)
    return Answer(given.text, given.usage)


def _no_reply(why: str, where: str) -> BadValue:
    return BadValue(f"no answer: {why}", where=where, fix='give text, {"text", "usage"} or {"error"}')
