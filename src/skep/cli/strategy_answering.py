"""Somebody or something that answers the queries of a run's strategies while the command waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from skep.cli.view.model import ASKED
from skep.errors import AuthorityError, BadValue, LimitExceeded, QuestionClosed, ResumeKeyNotFound

if TYPE_CHECKING:
    from skep.cli.bearer import Held
    from skep.engine.engine import Engine
    from skep.strategy.answerers.base import Answerer
    from skep.strategy.queries import Query


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
        from skep.strategy.answerers.base import read_query

        self.news.clear()
        token = self._held.token("list_questions")
        found = await self._engine.list_questions(token, run_id=self._run_id)
        queries = [(one.key, read_query(one.question)) for one in found if one.key not in self._asked]
        async with asyncio.TaskGroup() as group:
            for key, query in queries:
                self._asked.add(key)
                if query is not None:
                    group.create_task(self._answer(key, query))
        return any(query is not None for _, query in queries)

    async def close(self) -> None:
        """Let go of what the answerer holds, such as connections to a model."""
        close = getattr(self._answerer, "close", None)
        if close is not None:
            await close()

    async def _answer(self, key: str, query: Query) -> None:
        from skep.strategy.answerers.base import reply_json

        try:
            answer = reply_json(await self._answerer(query))
            await self._engine.resume(self._held.token("answer"), key, answer)
        except (QuestionClosed, ResumeKeyNotFound, AuthorityError):
            return  # somebody else was quicker, or has the right to be
        except (LimitExceeded, BadValue) as error:
            failed = {"error": f"{error.code} {error}"}
            await self._engine.resume(self._held.token("answer"), key, failed)
