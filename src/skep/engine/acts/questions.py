"""The acts on questions and signals (DESIGN section 5, *Questions*): ask, answer, wait, list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from skep.core import transitions
from skep.core.authority import ACTS, permits
from skep.core.questions import Answerer, QuestionState, about, check_may_answer
from skep.engine.acts.ask_guard import AskGuard
from skep.engine.acts.guarded import OWNER
from skep.engine.inbox.elsewhere import Delivered
from skep.engine.questions.asks import read_ask, seconds
from skep.engine.questions.questions import answer_of, encoded, lost
from skep.errors import BadValue, MayNotAnswer, PollTimeout
from skep.flow.waiting import SIGNAL_NAME

if TYPE_CHECKING:
    from skep.core.tokens import TokenRecord
    from skep.engine.questions.questions import Ended
    from skep.engine.tokens.office import Bearer

LOOK_SECONDS = 0.2
"""How often the store is asked about a question of another process."""


class OpenQuestion(Struct, frozen=True, kw_only=True):
    """An open question as those see it who may answer. Times are milliseconds since the epoch."""

    key: str
    run_id: str | None
    question: Any
    audience: tuple[str, ...]
    deadline: int | None
    what: str
    task_id: str | None
    step_key: str | None
    schema: Any
    asked_at: int
    refusal: str | None
    """Why who lists it may not answer it; null: may."""


class QuestionActs(AskGuard):
    """Questions as methods; a base of `Engine`."""

    async def query_senior(
        self,
        token: Bearer,
        task_id: str,
        question: Any,
        *,
        audience: str | Sequence[str] = "senior",
        schema: Any = None,
        deadline: float | None = None,
        default: Any = ...,
    ) -> str:
        """Ask a senior, or another audience, about a task, which is suspended meanwhile; the question's key.

        Raises:
            InvalidTransition: the task has settled.
            BadSchema, BadValue, LimitExceeded: it cannot be asked so.
        """
        record = await self.admit(token, "query_senior", task_id)
        task = transitions.get_task(self.ledger.state, task_id)
        ask = read_ask(
            question,
            self.limits,
            audience=audience,
            schema=schema,
            deadline=deadline,
            default=default,
            by=record.agent_id,
        )
        key = self.questions.ask(task, ask)
        await self.ledger.flushed()
        return key

    async def resume(self, token: Bearer | None, key: str, answer: Any) -> Delivered:
        """Answer the open question `key` of any run in the store.

        Returns when the answer is durable: acted on by the run's owner, or (`acted` false) left for the next one.

        Raises:
            ResumeKeyNotFound, QuestionClosed: no such question, or it has ended.
            MayNotAnswer: this principal may not.
            AnswerRefused, BadValue, LimitExceeded: the question does not take this answer, and stays open.
        """
        record, asked = await self._admit_to(token, "answer", key, spend=False)
        who = answerer(record)
        delivered = Delivered(asked.log, acted=True)
        with self._spending(token, "answer"):
            if self.questions.about(key) is None:
                delivered = await self.elsewhere.answer(key, answer, who)
            else:
                self.questions.answer(key, answer, who)
        await self.ledger.flushed()
        return delivered

    async def answer(self, token: Bearer | None, key: str, answer: Any) -> Delivered:
        """The same as `resume`."""
        return await self.resume(token, key, answer)

    async def await_resume(self, token: Bearer | None, key: str, timeout: float = 0.0) -> Any:  # noqa: ASYNC109 - the published argument
        """The answer to `key`; waits `timeout` seconds for it, 0 not at all.

        An answer is kept, also for whoever asks for it late.

        Raises:
            PollTimeout: not answered yet.
            AnswerTimeout, QuestionClosed: there will be no answer.
            ResumeKeyNotFound: no such question.
        """
        _, asked = await self._admit_to(token, "await_resume", key)
        patience = seconds(timeout, "timeout") or 0.0
        if self.questions.about(key) is None:
            ended = await self._ended_elsewhere(key, patience)
        else:
            await self.questions.until_ended(key, patience)
            ended = self.questions.ended(key) or await self.elsewhere.ended(key)
        if ended is None:
            raise lost(key)
        return await self.questions.value(answer_of(ended), asked.log)

    async def list_questions(
        self, token: Bearer | None = None, *, run_id: str | None = None
    ) -> list[OpenQuestion]:
        """The open questions of the store that the token may read, oldest first; of one run when given.

        One past its deadline is left out, also when no process has recorded that yet.
        """
        record = await self.admit(token, "list_questions")
        who = answerer(record)
        await self.ledger.flushed()
        now = self.ledger.now()
        found: list[OpenQuestion] = []
        after = 0
        log = f"run:{run_id}" if run_id is not None else None
        while page := await self.ledger.journal.list_entries("question", log=log, after=after):
            after = page[-1].position
            found += [
                await self._shown(question, who)
                for question in await self.elsewhere.read_all(page)
                if not question.is_past_deadline(now)
                and permits(record, ACTS["list_questions"], about(question).facts)
            ]
        return found

    async def signal(self, token: Bearer | None, run_id: str, name: str, value: Any = None) -> Delivered:
        """Send a named signal to an open run; its `wait` nodes take it, or it is kept for the next one.

        Raises:
            RunNotFound, InvalidTransition: no such run, or it has ended.
            BadValue: not the name of a signal.
            LimitExceeded: too many signals wait already.
        """
        record = await self.admit(token, "signal", run=run_id, spend=False)
        if not SIGNAL_NAME.fullmatch(name):
            raise BadValue(
                f"{name[:100]!r} is no signal's name", where="signal", fix="use letters, digits and _ . : -"
            )
        data = encoded(value, self.limits, "signal")
        driver = self.drivers.get(run_id)
        delivered = Delivered(f"run:{run_id}", acted=True)
        with self._spending(token, "signal"):
            if driver is None:
                body = {"kind": "signal", "name": name, "value": value, "by": {"principal": record.agent_id}}
                delivered = await self.elsewhere.send(run_id, body)
            else:
                driver.signal(name, data, record.agent_id)
        await self.ledger.flushed()
        return delivered

    # -- inside --------------------------------------------------------------------------------

    async def _ended_elsewhere(self, key: str, patience: float) -> Ended:
        """How a question ends that another process holds, or ended long ago."""
        loop = asyncio.get_running_loop()
        due = loop.time() + patience
        while (ended := await self.elsewhere.ended(key)) is None:
            await self._about_elsewhere(key)  # refuses when there is no such question any more
            if loop.time() >= due:
                raise PollTimeout(f"question {key} is not answered yet")
            await asyncio.sleep(min(LOOK_SECONDS, max(0.0, due - loop.time())))
        return ended

    async def _shown(self, question: QuestionState, who: Answerer) -> OpenQuestion:
        return OpenQuestion(
            key=question.key,
            run_id=question.run_id,
            question=await self.questions.value(question.question, question.log),
            audience=question.audience,
            deadline=question.deadline,
            what=question.what,
            task_id=question.task_id,
            step_key=question.step_key,
            schema=await self.questions.value(question.schema, question.log) if question.schema else None,
            asked_at=question.asked_at,
            refusal=await self._refusal(question, who),
        )

    async def _refusal(self, question: QuestionState, who: Answerer) -> str | None:
        needs_another = question.what == "approval" and not question.allow_self
        starter = await self.elsewhere.starter(question.log) if needs_another else None
        try:
            check_may_answer(question, who, starter=starter)
        except MayNotAnswer as error:
            return str(error)
        return None


def answerer(record: TokenRecord) -> Answerer:
    """Who the bearer of a token is to a question."""
    seats = {scope.partition(":")[2] for scope in record.scopes if scope.startswith("seat:")}
    return Answerer(
        principal=record.agent_id,
        roles=frozenset({"operator", "senior", "observer"}) if record is OWNER else frozenset({record.role}),
        seats=frozenset(seats) if seats else None,
        session_id=record.session_id,
        run_id=record.run_id,
    )
