"""`Question`: whoever may answer the run's questions answers the strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skep.errors import AnswerTimeout, BadValue, LimitExceeded, QuestionClosed
from skep.strategy.answerers.base import query_json, read_reply, reply_json
from skep.strategy.queries import Error, Query, Reply
from skep.workers.base import Attempt

_COUNT = {"type": "integer", "minimum": 0, "maximum": 2**53}
_FORMS = (
    {
        "required": ["text"],
        "properties": {
            "text": {"type": "string"},
            "usage": {
                "type": "object",
                "properties": {"prompt_tokens": _COUNT, "completion_tokens": _COUNT},
            },
        },
    },
    {"required": ["error"], "properties": {"error": {"type": "string"}}},
)
SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": ["string", "number", "boolean"]},
        *({"type": "object", "additionalProperties": False, **form} for form in _FORMS),
    ]
}
"""What `read_reply` reads: anything else is refused, and the question stays open."""


class Question:
    """Asks each query as a question of an attempt: durable, open beside others, answered by anyone who may.

    The question is the query as `query_json` tells it. Nobody answering in time, a question that somebody closes and
    one that is too big are an `Error` each, which the strategy may catch.

    Args:
        channel: the attempt that asks (`ctx.channel`).
        audience: who may answer.
        deadline: seconds for each; none by default.
        default: the answer when the deadline has passed; without one that is an `Error`.
    """

    def __init__(
        self,
        channel: Attempt,
        *,
        audience: str | Sequence[str] = "senior",
        deadline: float | None = None,
        default: str | Reply | None = None,
    ) -> None:
        self._channel = channel
        self._how: dict[str, Any] = {"audience": audience, "deadline": deadline, "schema": SCHEMA}
        if default is not None:
            self._how["default"] = reply_json(default)

    async def __call__(self, query: Query) -> Reply:
        try:
            return read_reply(await self._channel.ask(query_json(query), **self._how), where=query.id)
        except (AnswerTimeout, QuestionClosed, LimitExceeded, BadValue) as error:
            return Error(f"{error.code} {error}")
