"""Who answers the queries of a strategy in a run: anyone whom its audience lets, by a Question."""

from __future__ import annotations

from msgspec import Struct

from skep.errors import AnswerTimeout, QuestionClosed
from skep.strategy.answerers.base import Answerer
from skep.strategy.asked import question_of, reply_to
from skep.strategy.queries import Error, Query, Reply
from skep.workers.base import Ctx


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
