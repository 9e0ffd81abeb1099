"""A run's questions, put to whoever sits at the terminal: one after the other, while the run goes on."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from skep.cli.commands import answering
from skep.cli.inputs import parse_value
from skep.cli.questions import SHOWN, told_to
from skep.cli.text import addressed, in_short, visible
from skep.cli.view.model import ANSWERED, ASKED
from skep.errors import (
    AnswerRefused,
    AuthorityError,
    BadValue,
    LimitExceeded,
    QuestionClosed,
    ResumeKeyNotFound,
)
from skep.terminal import read_line

if TYPE_CHECKING:
    from skep.cli.bearer import Held
    from skep.cli.view.audience import Audience
    from skep.engine.acts.questions import OpenQuestion
    from skep.engine.engine import Engine
    from skep.engine.runs.info import RunInfo

_ENDS = ANSWERED | {"question_closed"}
_LINES = 100
"""Lines of a question that are shown."""
_HINT = "JSON, or text; Ctrl-D leaves it open"


class Asking:
    """Asks the person at the terminal; `over` is done when the run has ended."""

    def __init__(
        self,
        engine: Engine,
        run_id: str,
        store: str | None,
        over: asyncio.Future[RunInfo],
        watcher: Audience,
        *,
        held: Held,
    ) -> None:
        self._engine = engine
        self._run_id = run_id
        self._store = store
        self._over = over
        self._watcher = watcher
        self._held = held
        self._left: set[str] = set()
        """Keys of questions that are not, or no longer, asked here."""
        self._put: tuple[str, asyncio.Future[str]] | None = None
        self._gone = False
        self.news = asyncio.Event()

    def take(self, item: dict[str, Any]) -> None:
        """Hear of a question that was asked, or has ended, maybe the one that is being put."""
        if item["kind"] in ASKED:
            self.news.set()
        if item["kind"] in _ENDS and self._put is not None and self._put[0] == item["key"]:
            how = f"answered by {item['by']}" if "by" in item else f"closed: {item['reason']}"
            if not self._put[1].done():
                self._put[1].set_result(how)

    async def put_all(self) -> bool:
        """Put all questions that are open; whether one of them has ended meanwhile, answered here or elsewhere."""
        self.news.clear()
        moved = False
        while not self._gone and (found := await self._fresh()):
            with self._watcher.paused():
                for question in found:
                    if _is_for_others(question):
                        self._name(question)
                    elif not self._gone:
                        moved |= await self._ask(question)
        return moved

    async def _fresh(self) -> list[OpenQuestion]:
        """What can be asked here now, behind the first of what is for others and was not named yet."""
        found = await told_to(self._held, self._engine, self._run_id)
        fresh = [question for question in found if question.key not in self._left]
        others = [question for question in fresh if _is_for_others(question)]
        self._left.update(question.key for question in others)
        return others[:SHOWN] + [question for question in fresh if question.key not in self._left]

    def _name(self, question: OpenQuestion) -> None:
        _write(f"\n{question.key} {addressed(question.audience)}: {in_short(question.question)}")
        if question.refusal is not None:
            _write(f"  not yours to answer: {visible(question.refusal, 300)}")
        _write(f"  {answering(self._store, question)}")

    async def _ask(self, question: OpenQuestion) -> bool:
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._put = question.key, ended
        _show(question)
        try:
            while not (ended.done() or self._over.done()):
                line = await read_line("> ", (ended, self._over))
                if line is None:
                    break
                if line.strip() and await self._answer(question.key, line):
                    return True
        finally:
            self._put = None
        if ended.done():
            _write(f"{question.key} {visible(ended.result(), 200)}")
        elif self._over.done():
            _write("the run has ended")
        else:
            self._gone = True
        return ended.done()

    async def _answer(self, key: str, line: str) -> bool:
        """Whether the question has ended; a refused answer leaves it open."""
        try:
            await self._engine.resume(self._held.token("resume"), key, parse_value(line, "answer"))
        except (QuestionClosed, ResumeKeyNotFound, AuthorityError) as error:
            _write(visible(str(error), 500))
            self._left.add(key)
        except (AnswerRefused, BadValue, LimitExceeded) as error:
            _write(f"refused: {visible(str(error), 500)}")
            return False
        return True


def _is_for_others(question: OpenQuestion) -> bool:
    """Work is taken from its seat, not answered."""
    return question.refusal is not None or question.what == "work"


def _show(question: OpenQuestion) -> None:
    where = f" ({question.step_key})" if question.step_key else ""
    _write(f"\n{question.key}{visible(where, 100)} {addressed(question.audience)}")
    text = question.question if isinstance(question.question, str) else in_short(question.question, 2_000)
    for line in text.splitlines()[:_LINES]:
        _write(f"  {visible(line, 1_000)}")
    _write(f"  {_hint(question.schema)}")


def _hint(schema: Any) -> str:
    """What an answer looks like."""
    if schema is None:
        return f"({_HINT})"
    if schema == {"type": "boolean"}:
        return f"(true or false; {_HINT})"
    return f"(to fit {in_short(schema, 500)}; {_HINT})"


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
