"""What one attempt asks: new questions, or those that the attempt before an interruption had asked already."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skep import values
from skep.core.questions import question_digest
from skep.engine.questions.answer_schema import compile_schema
from skep.engine.questions.questions import Ask, encoded
from skep.errors import BadValue, LimitExceeded
from skep.flow.audience import ALTERNATIVES, read_alternative
from skep.limits import Limits

MAX_WAIT = 10 * 366 * 86_400.0
"""Seconds that a question may stay open, or somebody may wait for it."""

if TYPE_CHECKING:
    from skep.core.tasks import TaskState
    from skep.engine.questions.questions import Questions


class Asks:
    """The k-th ask of an attempt with one digest is the k-th of its task, across interruptions."""

    def __init__(self, questions: Questions, task: TaskState) -> None:
        self._questions = questions
        self._task = task
        self._known: defaultdict[str, list[str]] = defaultdict(list)
        self._said: Counter[str] = Counter()
        for key, asked in (task.asks or {}).items():
            self._known[asked.digest].append(key)

    def put(self, ask: Ask) -> str:
        """Ask, or take up what was asked; the key.

        Raises:
            LimitExceeded: the task has asked too often.
        """
        digest = ask.digest
        known, turn = self._known[digest], self._said[digest]
        if turn >= len(known):
            known.append(self._questions.ask(self._task, ask))
        self._said[digest] += 1
        return known[turn]

    async def answer(self, key: str) -> Any:
        """The answer, when it comes.

        Raises:
            AnswerTimeout, QuestionClosed: there will be none.
        """
        return await self._questions.answer_for(self._task, key)


def read_ask(
    question: Any,
    limits: Limits,
    *,
    audience: str | Sequence[str],
    schema: Any,
    deadline: float | None,
    default: Any,
    approval: bool = False,
    allow_self: bool = False,
    by: str | None = None,
) -> Ask:
    """A question as it was put from outside; `default` is `...` when there is none.

    Raises:
        BadSchema, BadValue, LimitExceeded: it cannot be asked so.
    """
    data = encoded(question, limits, "question")
    names = read_audience(audience, limits)
    if schema is not None:
        compile_schema(schema)
    return Ask(
        question=data,
        digest=question_digest(question, names, schema),
        audience=names,
        schema=None if schema is None else values.canonical(schema),
        deadline=seconds(deadline, "deadline"),
        default=None if default is ... else encoded(default, limits, "default"),
        approval=approval,
        allow_self=allow_self,
        by=by,
    )


def seconds(value: float | None, name: str) -> float | None:
    """Raises `BadValue` unless `value` is a number, `LimitExceeded` unless one of seconds that may be waited."""
    if value is not None and type(value) not in (int, float):
        raise BadValue(f"{name} is not a number", where=name, fix="give seconds")
    if value is not None and not 0 <= value <= MAX_WAIT:
        raise LimitExceeded(name, MAX_WAIT, where=name, fix="give seconds")
    return value


def read_audience(given: str | Sequence[str], limits: Limits) -> tuple[str, ...]:
    """The alternatives of an audience, each in its newest spelling.

    Raises:
        BadValue, LimitExceeded: it names nobody, or too many.

    >>> read_audience("senior", Limits())
    ('role:senior',)
    """
    if not isinstance(given, str | list | tuple):
        raise BadValue(
            f"{values.type_name(given)} is no audience", where="audience", fix=f"write {ALTERNATIVES}"
        )
    names = (given,) if isinstance(given, str) else tuple(given)
    if len(names) > limits.max_audience:
        raise LimitExceeded("max_audience", limits.max_audience, where="audience")
    read = [read_alternative(name) for name in names if isinstance(name, str)]  # pyright: ignore[reportUnnecessaryIsInstance]
    audience = tuple(name for name in read if name is not None)
    if not audience or len(audience) != len(names):
        raise BadValue(f"{given!r} is no audience", where="audience", fix=f"write {ALTERNATIVES}")
    return audience
