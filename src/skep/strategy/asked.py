"""Queries as Questions of a run, and answers to these as replies: the form that people and programs see."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import structs

from skep.strategy.queries import Answer, Error, Query, Reply, Usage

_FIELDS = {field.name for field in structs.fields(Query)} - {"id"}


def question_of(query: Query) -> dict[str, Any]:
    """A query as a Question: `query_id`, `prompt`, `max_tokens`, and what else was said of it.

    >>> question_of(Query(id="q1-0", prompt="2 + 2?"))
    {'query_id': 'q1-0', 'prompt': '2 + 2?', 'max_tokens': 1024}
    """
    shown: dict[str, Any] = {"query_id": query.id, "prompt": query.prompt, "max_tokens": query.max_tokens}
    if query.system is not None:
        shown["system"] = query.system
    for flag in ("grounded", "underspecified"):
        if getattr(query, flag):
            shown[flag] = True
    return shown | ({"options": query.options} if query.options else {})


def query_of(question: dict[str, Any]) -> Query:
    """The query that a Question shows.

    >>> query_of({"query_id": "q1-0", "prompt": "2 + 2?", "max_tokens": 9}).max_tokens
    9
    """
    fields = {name: question[name] for name in _FIELDS & question.keys()}
    return msgspec.convert({"id": question["query_id"], **fields}, Query)


def answer_of(reply: Reply) -> Any:
    """A reply as the answer to a Question: text, `{"text", "usage"}` or `{"error"}`."""
    if isinstance(reply, Error):
        return {"error": reply.message}
    if reply.usage is None:
        return reply.text
    return {"text": reply.text, "usage": msgspec.to_builtins(reply.usage)}


def reply_to(given: Any) -> Reply:
    """An answer as people and programs give it: as `answer_of` makes them; anything else as its JSON.

    >>> reply_to({"text": "42", "usage": {"completion_tokens": 1}}).usage.completion_tokens
    1
    """
    if isinstance(given, str):
        return Answer(given)
    fields = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    text, error = fields.get("text"), fields.get("error")
    if isinstance(error, str):
        return Error(error)
    if isinstance(text, str):
        return Answer(text, _usage(fields.get("usage")))
    return Answer(msgspec.json.encode(given).decode())


def _usage(given: Any) -> Usage | None:
    try:
        return msgspec.convert(given, Usage | None)
    except msgspec.ValidationError:
        return None  # a count that is no count: it is estimated then
