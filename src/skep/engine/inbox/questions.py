"""What other processes ask about our questions and work items: `elsewhere` and `work_elsewhere` are the other end.

A message that cannot be read or carried out raises; the inbox drops it with a warning.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import Raw

from skep import values
from skep.core.outputs import Final, Inline, OutputEvent
from skep.core.questions import QuestionState
from skep.core.work import check_claim
from skep.engine.inbox.elsewhere import answerer_from
from skep.errors import BadValue, WorkHeld

if TYPE_CHECKING:
    from skep.engine.questions.questions import Questions

QuestionAct = Callable[["Questions", dict[str, Any]], None]


def _answer(questions: Questions, body: dict[str, Any]) -> None:
    who = answerer_from(body["by"])
    questions.answer(str(body["key"]), body["value"], who, str(body["request"]))


def _claim(questions: Questions, body: dict[str, Any]) -> None:
    questions.work.claim(
        str(body["key"]),
        answerer_from(body["by"]),
        str(body["handle"]),
        _lease(body),
        sessions=tuple(str(session_id) for session_id in body["sessions"]),
        take=body["take"] is True,
        request=str(body["request"]),
    )


def _renew(questions: Questions, body: dict[str, Any]) -> None:
    item, holder = _held(questions, body)
    generation = int(body["generation"])
    questions.work.renew(item.key, holder, generation, _lease(body), request=str(body["request"]))


def _release(questions: Questions, body: dict[str, Any]) -> None:
    item, holder = _held(questions, body)
    questions.work.release(item.key, holder, int(body["generation"]), request=str(body["request"]))


def _complete(questions: Questions, body: dict[str, Any]) -> None:
    item, _ = _held(questions, body)
    final = Final(Inline(Raw(values.canonical(body["value"]))), body["ok"] is True)
    questions.work.channel(item).conclude(final, request=str(body["request"]))


def _emit(questions: Questions, body: dict[str, Any]) -> None:
    item, _ = _held(questions, body)
    output: OutputEvent = msgspec.json.decode(values.canonical(body["output"]), type=OutputEvent)
    questions.work.channel(item).emit(output, request=str(body["request"]))


def _held(questions: Questions, body: dict[str, Any]) -> tuple[QuestionState, str | None]:
    """The item, and who says that it is theirs: a principal, or null for whoever knows the handle."""
    item = questions.open(str(body["key"]))
    of: Any = body["of"]
    if not isinstance(of, dict):
        raise BadValue("a claim is an object", where="of")
    principal = cast("dict[str, str]", of).get("principal")
    held = check_claim(item, principal)
    if principal is None and of["handle"] != held.handle:
        raise WorkHeld(f"{held.holder} holds work item {item.key}")
    return item, principal


def _lease(body: dict[str, Any]) -> float | None:
    lease = body["lease"]
    if lease is not None and type(lease) not in (int, float):
        raise BadValue("lease is no number of seconds", where="lease")
    return lease


ACTS: dict[str, QuestionAct] = {
    "answer": _answer,
    "claim": _claim,
    "renew": _renew,
    "release": _release,
    "complete": _complete,
    "emit": _emit,
}
