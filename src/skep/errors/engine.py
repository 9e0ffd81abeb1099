"""Runs, tasks, sessions and questions, and the journal below them."""

from __future__ import annotations

from collections.abc import Sequence

from skep.errors.base import SkepError


class EngineError(SkepError):
    """The engine refused or could not do what was asked."""

    code = "E-ENGINE"


class LockBusy(EngineError):
    """The bounded inbox of `engine.threadsafe` is full."""

    code = "E-BUSY"


class TaskNotFound(EngineError):
    code = "E-TASK-NOT-FOUND"


class RunNotFound(EngineError):
    code = "E-RUN-NOT-FOUND"


class ResourceNotFound(EngineError):
    code = "E-RESOURCE-NOT-FOUND"


class InvalidTransition(EngineError):
    """A task may not go from its present status to the one asked for."""

    code = "E-TRANSITION"


class DispatchFailed(EngineError):
    code = "E-DISPATCH"


class AttemptEnded(EngineError):
    """Worker output after its channel was closed (R-once)."""

    code = "E-ATTEMPT-ENDED"


class PollTimeout(EngineError):
    code = "E-POLL-TIMEOUT"


class RunFailed(EngineError):
    """`RunHandle.result()` of a run that did not end `done`.

    `run_id` and `status` are those of the run; `error` is its recorded `{"code","message",...}`.
    """

    code = "E-RUN-FAILED"

    def __init__(self, run_id: str, status: str, error: dict[str, object] | None) -> None:
        message = str(error.get("message")) if error else status
        super().__init__(
            f"run {run_id} ended {status}: {message}" if error else f"run {run_id} ended {status}"
        )
        self.run_id = run_id
        self.status = status
        self.error = error


class SessionNotFound(EngineError):
    code = "E-SESSION-NOT-FOUND"


class BackendMissing(EngineError):
    """A session names a bridge, hook or operator that nobody has registered (again)."""

    code = "E-BACKEND-MISSING"

    def __init__(self, backend: str, registered: Sequence[str]) -> None:
        super().__init__(
            f"backend {backend!r} is not registered", fix=f"registered: {', '.join(registered) or 'none'}"
        )
        self.backend = backend
        self.registered = tuple(registered)


class Lagged(EngineError):
    """A subscriber fell behind its bounded queue; read on with `events(after=position)`."""

    code = "E-LAGGED"

    def __init__(self, position: int) -> None:
        super().__init__("subscriber is too slow", fix=f"read on with events(after={position})")
        self.position = position


class QuestionError(EngineError):
    code = "E-QUESTION"


class ResumeKeyNotFound(QuestionError):
    """No question has this key."""

    code = "E-RESUME-KEY"


class QuestionClosed(QuestionError):
    """The question takes no answer any more."""

    code = "E-QUESTION-CLOSED"


class AnswerRefused(QuestionError):
    """The answer does not fit the question's schema; the question stays open."""

    code = "E-ANSWER-SCHEMA"


class BadSchema(QuestionError):
    """A question's JSON Schema that cannot be used."""

    code = "E-QUESTION-SCHEMA"


class AnswerTimeout(QuestionError):
    """The deadline of a question has passed without an answer."""

    code = "E-ASK-TIMEOUT"


class WorkHeld(QuestionError):
    """Somebody else holds the work item, or this claim of it is an old one."""

    code = "E-WORK-HELD"


class JournalError(SkepError):
    code = "E-JOURNAL"


class JournalFailed(JournalError):
    """A commit failed; the engine has stopped (R-stop). The store stays readable."""

    code = "E-JOURNAL-FAILED"


class Fenced(JournalError):
    """Another owner has taken this log over; this one must drop it."""

    code = "E-FENCED"


class NotRecordable(Fenced):
    """An event cannot be written as JSON: its log takes nothing more until it is acquired again."""

    code = "E-NOT-RECORDABLE"


class RunOwned(JournalError):
    """The run is being worked on by another live process."""

    code = "E-RUN-OWNED"


class SchemaTooNew(JournalError):
    code = "E-SCHEMA-NEWER"


class StoreCorrupt(JournalError):
    code = "E-STORE-CORRUPT"


class BlobNotFound(JournalError):
    code = "E-BLOB-NOT-FOUND"
