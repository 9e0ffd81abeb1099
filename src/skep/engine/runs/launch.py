"""What a launch brings along besides its Blueprint: the first ctx, whose authority, and who stands behind agents."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, cast, get_args

from msgspec import Struct

from skep import values
from skep.core.session_events import OperatorChoice, OperatorKind
from skep.errors import BadValue
from skep.flow.problems import did_you_mean
from skep.ids import new_nonce

if TYPE_CHECKING:
    from skep.engine.tokens.office import Bearer, TokenOffice
    from skep.flow.blueprint import Blueprint

KINDS: tuple[OperatorKind, ...] = get_args(OperatorKind)
MAX_ID = 256


class Authority(Struct, frozen=True, kw_only=True):
    """Whose a run is: the fields of `run_started` about its own token."""

    starter: str = "owner"
    nonce: str | None = None
    launcher: str | None = None
    launchers: tuple[str, ...] = ()


def authority_of(office: TokenOffice, token: Bearer | None) -> Authority:
    """The authority of a run that the bearer launches; its owner needs no token for it.

    Raises:
        TokenNotFound, TokenRevoked: the token has ended by now.
    """
    if token is None:
        return Authority()
    launcher = office.nonce(token)
    starter = office.line(launcher).bound.agent_id
    return Authority(
        starter=starter, nonce=new_nonce(), launcher=launcher, launchers=sessions_of(office, launcher)
    )


def sessions_of(office: TokenOffice, launcher: str) -> tuple[str, ...]:
    """The sessions of a token and of all that it was narrowed from: whose revocation ends what it began."""
    found: list[str] = []
    nonce: str | None = launcher
    while nonce is not None:
        record = office.record(nonce)
        if record.session_id is not None:
            found.append(record.session_id)
        nonce = record.parent
    return tuple(found)


def operator_choice(
    agents: Collection[str],
    *,
    kind: OperatorKind | None,
    overrides: Mapping[str, OperatorKind] | None,
    bridge_id: str | None,
    hook_id: str | None,
    backend_id: str | None,
) -> OperatorChoice | None:
    """What a launch says of who stands behind its agents; null when it says nothing.

    Raises:
        BadValue: a kind that there is not, or an override for an agent that the Blueprint has not.
    """
    for agent in overrides or ():
        if agent not in agents:
            raise BadValue(
                f"no agent {agent!r} to say a kind of operator for",
                where="operator_kind_overrides",
                fix=did_you_mean(agent, sorted(agents)),
            )
    choice = OperatorChoice(
        kind=None if kind is None else check_kind(kind, "operator_kind"),
        agent_kinds=check_kinds(overrides or {}, "operator_kind_overrides"),
        bridge_id=check_id(bridge_id, "bridge_id"),
        hook_id=check_id(hook_id, "hook_id"),
        backend_id=check_id(backend_id, "operator_backend_id"),
    )
    return None if choice == OperatorChoice() else choice


def check_kind(kind: Any, where: str) -> OperatorKind:
    """Raises `BadValue` unless it is one."""
    if kind not in KINDS:
        raise BadValue(
            f"{str(kind)[:60]!r} is no kind of operator", where=where, fix=f"kinds: {', '.join(KINDS)}"
        )
    return kind


def check_kinds(kinds: Mapping[str, Any], where: str) -> dict[str, OperatorKind]:
    """A copy; raises `BadValue` where one is none."""
    return {values.check_text(agent, where, MAX_ID): check_kind(kind, where) for agent, kind in kinds.items()}


def check_id(backend: str | None, where: str) -> str | None:
    """The id of a backend as it is; whether one is registered so is seen when an attempt needs it."""
    return None if backend is None else values.check_text(backend, where, MAX_ID)


def first_ctx(blueprint: Blueprint, given: Mapping[str, Any] | None) -> Any:
    """The ctx that a run begins with: the input over the Blueprint's `default_init_ctx`.

    Raises:
        BadValue: the input is no object.
    """
    if given is not None and not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise BadValue(
            f"the input is {values.type_name(given)}, not an object", where="input", fix="give a dict"
        )
    default: Any = blueprint.default_init_ctx
    if given is None:
        return default if default is not None else {}
    return {**cast("dict[str, Any]", default), **given} if isinstance(default, dict) else dict(given)
