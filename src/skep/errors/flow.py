"""Blueprints and flows."""

from __future__ import annotations

from skep.errors.base import SkepError


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
