"""Scopes: what narrows a token beyond its role (DESIGN section 5, *Tokens*).

A scope is `kind:value`. Values of one kind are alternatives, kinds are conditions that must all hold, `*` stands
alone and allows everything, no scopes at all allow nothing. A call has *facts*: the kinds that apply to it, each
with its value; a condition of a kind that does not apply to a call denies it. So whoever adds a kind or drops a
value only ever narrows, and `attenuate` allows nothing else (R-narrow).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal, get_args

from skep.core.roles import VERBS
from skep.errors import BadScope, LimitExceeded, ScopeWidened
from skep.values import check_text

ScopeKind = Literal["run", "task", "agent", "verb", "seat"]

KINDS: tuple[ScopeKind, ...] = get_args(ScopeKind)

Fact = str | frozenset[str]
"""What a call says of one kind: its value, or several of which any may meet a condition."""

RESERVED = "exec"
"""A kind that no act has yet: it would deny every call."""

ALL: tuple[str, ...] = ("*",)
MAX_SCOPES = 64
MAX_SCOPE_CHARS = 256


def parse_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Scopes as they are kept: each once, in the order given.

    Raises:
        BadScope: no `kind:value`, an unknown kind or verb, or `*` beside others.
        LimitExceeded: more than 64.

    >>> parse_scopes(["run:run-1", "verb:poll_task", "run:run-1"])
    ('run:run-1', 'verb:poll_task')
    """
    kept: dict[str, None] = {}
    for number, scope in enumerate(scopes):
        if number >= MAX_SCOPES:
            raise LimitExceeded("scopes", MAX_SCOPES, where="scopes")
        check_text(scope, "scope", MAX_SCOPE_CHARS)
        if scope != "*":
            _check_scope(scope)
        kept[scope] = None
    if "*" in kept and len(kept) > 1:
        raise BadScope("* stands alone", where="scopes", fix="give * or conditions, not both")
    return tuple(kept)


def _check_scope(scope: str) -> None:
    kind, colon, value = scope.partition(":")
    if not colon or not value:
        raise BadScope(f"{scope!r} is not kind:value", where="scopes", fix=f"kinds: {', '.join(KINDS)}")
    if kind == RESERVED:
        raise BadScope(f"scopes of kind {RESERVED} are not in use yet", where="scopes")
    if kind not in KINDS:
        raise BadScope(f"unknown kind in {scope!r}", where="scopes", fix=f"kinds: {', '.join(KINDS)}")
    if value == "*":
        raise BadScope(f"{scope!r} is no pattern", where="scopes", fix="* alone allows everything")
    if kind == "verb" and value not in VERBS:
        raise BadScope(f"unknown verb in {scope!r}", where="scopes", fix=f"verbs: {', '.join(sorted(VERBS))}")


def allows(scopes: tuple[str, ...], facts: Mapping[str, Fact]) -> bool:
    """Whether a token with these scopes may do what has these facts; lists are filtered by it too.

    >>> allows(("run:a", "run:b"), {"run": "b", "verb": "run_read"})
    True
    >>> allows(("run:a", "seat:red"), {"run": "a", "verb": "run_read"})
    False
    >>> allows(("seat:red",), {"seat": frozenset({"red", "blue"}), "verb": "answer_query"})
    True
    """
    if scopes == ALL:
        return True
    conditions = _conditions(scopes)
    return bool(conditions) and all(_meets(facts.get(kind), values) for kind, values in conditions.items())


def _meets(fact: Fact | None, values: frozenset[str]) -> bool:
    return not values.isdisjoint(fact) if isinstance(fact, frozenset) else fact in values


def attenuate(parent: tuple[str, ...], child: tuple[str, ...]) -> tuple[str, ...]:
    """The child's scopes, if they are the parent's with kinds added and values dropped.

    Raises:
        ScopeWidened: they are not.

    >>> attenuate(("run:a", "run:b"), ("run:a", "verb:poll_task"))
    ('run:a', 'verb:poll_task')
    """
    if parent == ALL or not child:
        return child
    if not parent:
        raise ScopeWidened("a token that may nothing cannot be made to allow something")
    kept = _conditions(child)
    for kind, values in _conditions(parent).items():
        if not kept.get(kind, frozenset()):
            raise ScopeWidened(f"the condition on {kind} may not be left out", fix=_listed(kind, values))
        if beyond := kept[kind] - values:
            raise ScopeWidened(f"{kind}:{min(beyond)} is not among its values", fix=_listed(kind, values))
    return child


def narrowed(parent: tuple[str, ...], extra: Sequence[str]) -> tuple[str, ...]:
    """The parent's scopes with the conditions `extra`, which replace its values of the same kinds.

    Raises:
        ScopeWidened: `extra` has a value that the parent has not.
    """
    if not extra:
        return parent
    if "*" in extra:
        return attenuate(parent, ALL)
    kinds = {scope.partition(":")[0] for scope in extra}
    kept = tuple(scope for scope in parent if scope != "*" and scope.partition(":")[0] not in kinds)
    return attenuate(parent, (*kept, *extra))


@lru_cache(maxsize=1_024)
def _conditions(scopes: tuple[str, ...]) -> Mapping[str, frozenset[str]]:
    """Values by kind; what is no `kind:value` is a condition that nothing meets."""
    found: dict[str, set[str]] = {}
    for scope in scopes:
        kind, _, value = scope.partition(":")
        found.setdefault(kind, set()).add(value)
    return {kind: frozenset(values) for kind, values in found.items()}


def _listed(kind: str, values: frozenset[str]) -> str:
    return "it has " + " ".join(f"{kind}:{value}" for value in sorted(values))
