"""Who may do what."""

from __future__ import annotations

from skep.errors.base import SkepError


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
