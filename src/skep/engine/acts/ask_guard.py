"""The way in for acts on a question or a work item: whom it concerns, wherever it stands, open or ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skep.core import events as ev
from skep.core import questions
from skep.core.question_folds import question_of
from skep.engine.acts.task_guard import TaskGuard
from skep.engine.reading.history import question_asked
from skep.errors import ResumeKeyNotFound, TokenTaskMismatch

if TYPE_CHECKING:
    from skep.core.questions import About
    from skep.core.tokens import TokenRecord
    from skep.engine.inbox.elsewhere import Elsewhere
    from skep.engine.questions.questions import Questions
    from skep.engine.tokens.office import Bearer


class AskGuard(TaskGuard):
    """A base of the acts on questions and work items."""

    questions: Questions
    elsewhere: Elsewhere

    async def _admit_to(
        self, token: Bearer | None, act: str, key: str, *, spend: bool = True
    ) -> tuple[TokenRecord, About]:
        """Check that the bearer may perform `act` on a question, which may have ended; what it is about.

        Nothing is looked for before the token is found to be one.

        Raises:
            AuthorityError: the bearer may not: a worker only where its own task, or one started from it, asks.
            ResumeKeyNotFound: no such question in the store.
        """
        bearer = await self._vet(token, act)
        about = self.questions.about(key) or await self._about_elsewhere(key)
        settled = None
        if bearer.role == "worker":
            if about.task_id is None:
                raise TokenTaskMismatch(str(bearer.task_id), key)
            if about.task_id not in self.ledger.state.tasks:
                settled = await self._recorded_task(about.log, about.task_id)
        record = await self.admit(
            token,
            act,
            about.task_id,
            run=about.run_id,
            agent=about.agent,
            seat=about.seats or None,
            settled=settled,
            spend=spend,
        )
        return record, about

    async def _about_elsewhere(self, key: str) -> About:
        journal = self.ledger.journal
        entry = await journal.find("question", key)
        if entry is not None:
            asked = await self.elsewhere.event(entry)
        else:
            entry = await journal.find("closed", key)
            asked = await question_asked(journal, entry.log, key) if entry is not None else None
        if not isinstance(asked, ev.QuestionAsked):
            raise ResumeKeyNotFound(f"no question {key}", fix="`skep questions` lists the open ones")
        return questions.about(question_of(asked))
