"""Every error of skep: one tree, each class with a stable code.

A message says what happened, `where` it happened and, in `fix`, what to do about it. The names are
those of the reference host where it has one; codes never change once released.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class SkepError(Exception):
    """Root of the tree.

    Args:
        what: what happened, one sentence without a full stop.
        where: the place (file:line, step key, log, option), if there is one.
        fix: what the reader can do about it, if there is something.
    """

    code: ClassVar[str] = "E-INTERNAL"

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f" ({self.fix})" if self.fix else ""
        return f"{place}{self.what}{remedy}"

    def to_dict(self) -> dict[str, str | None]:
        """The error as JSON: `{"code", "message", "where", "fix"}`."""
        return {"code": self.code, "message": self.what, "where": self.where, "fix": self.fix}


# -- values and limits -------------------------------------------------------------------------


class BadValue(SkepError):
    """A value from outside that JSON cannot carry exactly (R-value)."""

    code = "E-VALUE"


class LimitExceeded(SkepError):
    """A bound was reached (R-bound)."""

    code = "E-LIMIT"

    def __init__(self, name: str, limit: float, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(f"limit {name} of {limit:,} exceeded", where=where, fix=fix)
        self.name = name
        self.limit = limit


class BadFileRef(SkepError):
    """A worker's `file_ref` outside its scratch directory and work_dir, or not a regular file."""

    code = "E-FILE-REF"


class ConfigError(SkepError):
    """An option, environment variable or home that cannot be used."""

    code = "E-CONFIG"


# -- authority ---------------------------------------------------------------------------------


class AuthorityError(SkepError):
    """An act was refused."""

    code = "E-AUTHORITY"


class BadSignature(AuthorityError):
    code = "E-BAD-SIGNATURE"


class TokenExpired(AuthorityError):
    code = "E-TOKEN-EXPIRED"


class TokenUsesExhausted(AuthorityError):
    code = "E-TOKEN-USES"


class TokenRevoked(AuthorityError):
    code = "E-TOKEN-REVOKED"


class TokenNotFound(AuthorityError):
    code = "E-TOKEN-NOT-FOUND"


class RoleViolation(AuthorityError):
    """The role does not allow the verb."""

    code = "E-ROLE"

    def __init__(self, role: str, verb: str) -> None:
        super().__init__(f"role violation: role={role} verb={verb}")
        self.role = role
        self.verb = verb


class BadScope(AuthorityError):
    """Scopes that cannot be read, or contradict themselves."""

    code = "E-SCOPE-SYNTAX"


class ScopeViolation(AuthorityError):
    """The token's scopes do not allow the act."""

    code = "E-SCOPE"


class ScopeWidened(AuthorityError):
    """A token was to be narrowed into one that may more than it (R-narrow)."""

    code = "E-SCOPE-WIDENED"


class TokenTaskMismatch(AuthorityError):
    """A worker token was used for a task that is not its own."""

    code = "E-TOKEN-TASK"

    def __init__(self, bound: str, arg: str) -> None:
        super().__init__(f"token is bound to task {bound}, not to {arg}")
        self.bound = bound
        self.arg = arg


class SpawnDepthExceeded(AuthorityError):
    """A child deeper than `max_spawn_depth` (DESIGN section 5: accepted iff depth <= max)."""

    code = "E-SPAWN-DEPTH"

    def __init__(self, depth: int, maximum: int) -> None:
        super().__init__(f"spawn depth exceeded: {depth} > max {maximum}")
        self.depth = depth
        self.maximum = maximum


class MayNotAnswer(AuthorityError):
    """The question is not for this principal, or it may not answer what it asked itself."""

    code = "E-MAY-NOT-ANSWER"


# -- engine ------------------------------------------------------------------------------------


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


# -- questions ---------------------------------------------------------------------------------


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


# -- workers -----------------------------------------------------------------------------------


class WorkerError(SkepError):
    code = "E-WORKER"


class WorkerFailed(WorkerError):
    """The worker ended without doing its work."""

    code = "E-WORKER-FAILED"


class WorkerCancelled(WorkerError):
    code = "E-WORKER-CANCELLED"


class AlreadyJoined(WorkerError):
    code = "E-ALREADY-JOINED"


class SpawnError(SkepError):
    """A worker could not be started: `SpawnError.Internal` of the reference is this class itself."""

    code = "E-SPAWN"


class NotRegistered(SpawnError):
    code = "E-NOT-REGISTERED"


class BudgetExhausted(WorkerError):
    """What the run's budget has left is not enough for an attempt; `what_of` names the limit."""

    code = "E-BUDGET-EXHAUSTED"

    def __init__(self, what_of: str, said: str) -> None:
        super().__init__(f"budget_exhausted: {what_of}: {said}", fix="raise the budget, or start a new run")
        self.what_of = what_of


class RejectedByMiddleware(SpawnError):
    """A layer refused to let the worker start."""

    code = "E-REJECTED"

    def __init__(self, why: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(f"spawn rejected by middleware: {why}", where=where, fix=fix)


class KindNotYet(SpawnError):
    """A worker kind that is known to lint but cannot be started by this version."""

    code = "E-KIND-NOT-YET"


# -- lua ---------------------------------------------------------------------------------------


class LuaError(SkepError):
    """A script failed by its own fault.

    `script` is the name it was run under, `line` where it failed (if known), `traceback` Lua's own, as plain text.
    """

    code = "E-LUA"

    def __init__(
        self, what: str, *, script: str | None = None, line: int | None = None, traceback: str = ""
    ) -> None:
        super().__init__(what)
        self.script = script
        self.line = line
        self.traceback = traceback


class LuaProcessFailed(LuaError):
    """The process of an untrusted script could not start, ended, or said what it may not; another takes its place."""

    code = "E-LUA-PROCESS"


class ConversionError(BadValue):
    """A value that cannot cross between Python and Lua."""

    code = "E-LUA-VALUE"


class PoolExhausted(SkepError):
    """No Lua VM was free in time, or too many callers wait already."""

    code = "E-LUA-POOL"


# -- flow --------------------------------------------------------------------------------------


class FlowError(SkepError):
    """A flow could not go on; inside a run a `try` node may catch it."""

    code = "E-FLOW"


class EvalError(FlowError):
    code = "E-EVAL"


class PathNotFound(EvalError):
    code = "E-PATH-NOT-FOUND"


class InvalidPath(EvalError):
    code = "E-PATH"


class NonBoolCond(EvalError):
    code = "E-COND-NOT-BOOL"


class DivisionByZero(EvalError):
    code = "E-DIV-ZERO"


class NoCase(EvalError):
    """A `switch` whose value equals no case and that has no default."""

    code = "E-NO-CASE"


class StepFailed(FlowError):
    """A step's task was blocked, timed out or failed."""

    code = "E-STEP-FAILED"


class TemplateError(FlowError):
    code = "E-TEMPLATE"


class ReplayDiverged(FlowError):
    """A recorded step does not fit the flow that is being recovered."""

    code = "E-REPLAY-DIVERGED"


class BlueprintError(SkepError):
    """A Blueprint that cannot be used. `problems` lists everything lint found, in document order."""

    code = "E-BLUEPRINT"

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        fix: str | None = None,
        problems: tuple[object, ...] = (),
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.problems = problems


class BadSyntax(BlueprintError):
    """A document, expression or path that does not parse."""

    code = "E-SYNTAX"


class BuildError(BlueprintError, TypeError):
    """The Python builder was given something that no document could hold."""

    code = "E-BUILD"


class TrustError(BlueprintError):
    """An untrusted document asked for something only a trusted one may have (R-trust)."""

    code = "E-TRUST"


# -- strategies ----------------------------------------------------------------------------------


class StrategyError(SkepError):
    """A strategy cannot be started, answered or found."""

    code = "E-STRATEGY"


class UnknownQuery(StrategyError):
    """An answer for a query that is not open."""

    code = "E-UNKNOWN-QUERY"


class PackageError(StrategyError):
    """A package, or a file that lists packages, cannot be used."""

    code = "E-PACKAGE"


class PackageNotFound(PackageError):
    code = "E-PACKAGE-NOT-FOUND"


class PackageExists(PackageError):
    """What would be written over is kept."""

    code = "E-PACKAGE-EXISTS"


class PackageChanged(PackageError):
    """An installed package is not what was installed."""

    code = "E-PACKAGE-CHANGED"


class PackageUntrusted(PackageError):
    """A package that the owner does not vouch for, where only trusted code may run (R-trust)."""

    code = "E-PACKAGE-TRUST"


class SourceRefused(PackageError):
    """A place from which nothing is installed, or a tree that is not taken in."""

    code = "E-PACKAGE-SOURCE"


# -- journal -----------------------------------------------------------------------------------


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
