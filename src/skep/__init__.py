"""skep: a long-running host for swarms of agents (the façade: import from here).

Names are loaded when they are first asked for, so `import skep` costs little in programs that need a part.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the name that checkers know: `typing` itself would cost most of this import

if TYPE_CHECKING:
    from typing import Any

    from skep import errors as errors
    from skep import flow as flow
    from skep.core.outputs import Artifact, FileRef, Final, Inline, Partial, Progress
    from skep.core.retry import Backoff, RetryPolicy
    from skep.engine.runs.handle import RunHandle
    from skep.engine.runs.info import RunInfo
    from skep.errors import RunFailed, SkepError
    from skep.flow.blueprint import Blueprint, parse_blueprint
    from skep.flow.load import Loaded, load_blueprint
    from skep.host import Engine, run, run_sync
    from skep.limits import Limits
    from skep.workers.base import WorkerResult
    from skep.workers.python.invocation import Invocation

__all__ = [
    "Artifact",
    "Backoff",
    "Blueprint",
    "Engine",
    "FileRef",
    "Final",
    "Inline",
    "Invocation",
    "Limits",
    "Loaded",
    "Partial",
    "Progress",
    "RetryPolicy",
    "RunFailed",
    "RunHandle",
    "RunInfo",
    "SkepError",
    "WorkerResult",
    "errors",
    "flow",
    "load_blueprint",
    "parse_blueprint",
    "run",
    "run_sync",
]

_HOME = {
    **dict.fromkeys(("Artifact", "FileRef", "Final", "Inline", "Partial", "Progress"), "skep.core.outputs"),
    **dict.fromkeys(("Backoff", "RetryPolicy"), "skep.core.retry"),
    **dict.fromkeys(("RunFailed", "SkepError"), "skep.errors"),
    **dict.fromkeys(("Blueprint", "parse_blueprint"), "skep.flow.blueprint"),
    **dict.fromkeys(("Engine", "run", "run_sync"), "skep.host"),
    **dict.fromkeys(("Loaded", "load_blueprint"), "skep.flow.load"),
    "Invocation": "skep.workers.python.invocation",
    "Limits": "skep.limits",
    "RunHandle": "skep.engine.runs.handle",
    "RunInfo": "skep.engine.runs.info",
    "WorkerResult": "skep.workers.base",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module  # noqa: PLC0415 - as `typing` above

    if name in ("errors", "flow"):
        return import_module(f"skep.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'skep' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
