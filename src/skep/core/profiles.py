"""Profiles: which tokens a principal gets when it logs in (DESIGN section 5, *Authority*).

A principal holds one token per role; a call picks the one whose role allows its verb.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from msgspec import Struct

from skep.core.authority import Act
from skep.core.roles import GATE, Role
from skep.core.scopes import ALL, narrowed, parse_scopes
from skep.errors import BadScope, RoleViolation

SEAT = "seat:"
NAMES = ("owner", "runner", "viewer", "answerer", "seat:NAME")

_OWNERS_ONLY = frozenset({"token_admin", "store_admin", "blueprint_write"})
_ANSWERING = ("answer_query", "question_read", "run_read", "artifact_read")


class Grantable(Struct, frozen=True):
    """One token to be minted: its role and its scopes."""

    role: Role
    scopes: tuple[str, ...]


def _verbs(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"verb:{name}" for name in sorted(names))


_PROFILES: dict[str, tuple[Grantable, ...]] = {
    "owner": (Grantable("operator", ALL), Grantable("observer", ALL), Grantable("senior", ALL)),
    "runner": (Grantable("operator", _verbs(GATE["operator"] - _OWNERS_ONLY)), Grantable("observer", ALL)),
    "viewer": (Grantable("observer", ALL),),
    "answerer": (Grantable("senior", _verbs(_ANSWERING)),),
}


def profile_tokens(profile: str, extra: Sequence[str] = ()) -> tuple[Grantable, ...]:
    """The tokens of a profile, each narrowed by the scopes `extra`.

    `owner` may everything, `runner` runs flows but makes no tokens, `viewer` reads, `answerer` answers questions,
    `seat:NAME` takes the work and answers the questions of one seat.

    Raises:
        BadScope: no such profile, or scopes that cannot be read.
        ScopeWidened: `extra` is not within the profile.

    >>> [(token.role, token.scopes) for token in profile_tokens("seat:red")]
    [('operator', ('seat:red',)), ('senior', ('seat:red',))]
    """
    if profile.startswith(SEAT):
        seat = parse_scopes([profile])
        tokens = (Grantable("operator", seat), Grantable("senior", seat))
    elif profile in _PROFILES:
        tokens = _PROFILES[profile]
    else:
        raise BadScope(f"no profile {profile!r}", where="profile", fix=f"profiles: {', '.join(NAMES)}")
    conditions = parse_scopes(extra)
    return tuple(Grantable(token.role, narrowed(token.scopes, conditions)) for token in tokens)


Token = TypeVar("Token")


def choose(tokens: Iterable[tuple[Role, Token]], act: Act) -> Token:
    """The principal's token for an act: that of the first role which allows its verb.

    Raises:
        RoleViolation: none of them does.
    """
    role = "none"
    for role, token in tokens:
        if role in act.roles:
            return token
    raise RoleViolation(role, act.verb)
