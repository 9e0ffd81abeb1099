"""What performs attempts: workers, scripts, strategies and their packages."""

from __future__ import annotations

from skep.errors.base import BadValue, SkepError


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
