"""Somebody or something that answers the queries of a run's strategies while the command waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from skep.cli.view.model import ASKED
from skep.errors import AuthorityError, QuestionClosed, ResumeKeyNotFound
from skep.values import type_of

if TYPE_CHECKING:
    from skep.cli.bearer import Held
    from skep.engine.acts.questions import OpenQuestion
    from skep.engine.engine import Engine
    from skep.strategy.answerers.base import Answerer


class Answering:
    """Takes the place of the person at the terminal: every query is asked at once, and answered as it comes."""

    def __init__(self, engine: Engine, run_id: str, answerer: Answerer, *, held: Held) -> None:
        self._engine = engine
        self._run_id = run_id
        self._answerer = answerer
        self._held = held
        self._asked: set[str] = set()
        self.news = asyncio.Event()

    def take(self, item: dict[str, Any]) -> None:
        """Hear of a question that was asked."""
        if item["kind"] in ASKED:
            self.news.set()

    async def put_all(self) -> bool:
        """Answer all queries that are open; whether there was one."""
        self.news.clear()
        token = self._held.token("list_questions")
        found = await self._engine.list_questions(token, run_id=self._run_id)
        queries = [question for question in found if _is_query(question) and question.key not in self._asked]
        async with asyncio.TaskGroup() as group:
            for question in queries:
                self._asked.add(question.key)
                group.create_task(self._answer(question))
        return bool(queries)

    async def _answer(self, question: OpenQuestion) -> None:
        from skep.strategy.answerers.base import reply_of
        from skep.strategy.asked import answer_of, query_of

        reply = reply_of(await self._answerer(query_of(question.question)))
        try:
            await self._engine.resume(self._held.token("answer"), question.key, answer_of(reply))
        except (QuestionClosed, ResumeKeyNotFound, AuthorityError):
            return  # somebody else was quicker, or has the right to be


def _is_query(question: OpenQuestion) -> bool:
    return type_of(question.question) is dict and "query_id" in question.question
