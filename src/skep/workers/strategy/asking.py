"""Who answers the queries of a strategy in a run: anyone whom its audience lets, by a Question."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import Struct

from skep.errors import AnswerTimeout, QuestionClosed
from skep.strategy.answerers.base import Answerer
from skep.strategy.queries import Answer, Error, Query, Reply, Usage
from skep.workers.base import Ctx
from skep.workers.strategy.record import question_of


class Asking(Struct, frozen=True, kw_only=True):
    """`deadline` is seconds until a query without an answer fails; none by default."""

    audience: tuple[str, ...] = ("senior",)
    deadline: float | None = None

    def answerer(self, ctx: Ctx) -> Answerer:
        """An answerer that asks through the attempt: the task is suspended meanwhile."""

        async def answer(query: Query) -> Reply:
            try:
                given = await ctx.channel.ask(
                    question_of(query), audience=self.audience, deadline=self.deadline
                )
            except (AnswerTimeout, QuestionClosed) as error:
                return Error(str(error))
            return reply_to(given)

        return answer


def reply_to(given: Any) -> Reply:
    """An answer as people and programs give it: text, `{"text", "usage"?}` or `{"error"}`; else its JSON.

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
    return Answer(_json(given))


def _usage(given: Any) -> Usage | None:
    try:
        return msgspec.convert(given, Usage | None)
    except msgspec.ValidationError:
        return None  # a count that is no count is an estimate's to make


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
