"""Bridges, hooks and operators by id, and who stands behind an agent (DESIGN section 5, *Sessions*).

What is recorded are ids; the objects live in the process and are registered again after a restart. An attempt
that needs one that is not there (yet) waits for it a while.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar

from msgspec import Struct

from skep import values
from skep.core.session_events import OperatorChoice, OperatorKind
from skep.core.sessions import SessionState, collapse_operator_kind
from skep.engine.ledger import Ledger
from skep.errors import BackendMissing, BadValue, LimitExceeded, PollTimeout, SkepError
from skep.flow.blueprint import Blueprint
from skep.flow.operator_kinds import blueprint_kinds
from skep.ids import new_id
from skep.workers.backends import Operator, OperatorInfo, SeniorBridge, SpawnHook
from skep.workers.cancel import CancelToken

Object = TypeVar("Object")
MAX_ID = 256
BRIDGE, HOOK, OPERATOR = "br-", "hk-", "op-"
"""How ids begin that are made for objects given inline."""

Ids = tuple[str | None, str | None, str | None]
"""Of a senior bridge, a spawn hook and an operator."""


class Registry(Generic[Object]):
    """Objects of one sort by id; the last one registered under an id counts."""

    def __init__(self, ledger: Ledger, what: str, methods: tuple[str, ...]) -> None:
        self._ledger = ledger
        self._what = what
        self._methods = methods
        self._objects: dict[str, Object] = {}

    def register(self, name: str, backend: Object) -> None:
        """Raises `BadValue` when it is not one, `LimitExceeded` (`max_backends`)."""
        values.check_text(name, self._what, MAX_ID)
        missing = [method for method in self._methods if not callable(getattr(backend, method, None))]
        if not name or missing:
            lacks = f"has no method {missing[0]}" if missing else "needs an id"
            raise BadValue(f"a {self._what} {lacks}", where=name or None)
        limit = self._ledger.limits.max_backends
        if name not in self._objects and len(self._objects) >= limit:
            raise LimitExceeded("max_backends", limit, where=self._what, fix="unregister some")
        self._objects[name] = backend
        self._ledger.waiters.wake(_key(name))

    def unregister(self, name: str) -> None:
        """Harmless when nothing is registered so."""
        self._objects.pop(name, None)

    def ids(self) -> list[str]:
        return sorted(self._objects)

    async def get(self, name: str | None, cancel: CancelToken) -> Object | None:
        """The object of this id; one that is not registered is waited for until `backend_grace` is over.

        Raises:
            BackendMissing: nobody has registered it, or the attempt is to end.
        """
        if name is None:
            return None
        if name not in self._objects:
            waiters = self._ledger.waiters
            cancel.on_cancel(lambda _: waiters.wake(_key(name)))
            try:
                await waiters.until(
                    _key(name),
                    lambda: name in self._objects or cancel.cancelled,
                    self._ledger.limits.backend_grace,
                )
            except PollTimeout:
                raise BackendMissing(name, self.ids()) from None
        if cancel.cancelled or name not in self._objects:
            raise BackendMissing(name, self.ids())
        return self._objects[name]


class Backing(Struct, frozen=True, kw_only=True):
    """What a launch, a session and a Blueprint say of who stands behind agents: the tiers and the ids."""

    id: str
    choice: OperatorChoice
    bp_agent_kinds: Mapping[str, OperatorKind] = {}
    bp_global_kind: OperatorKind | None = None

    def kind_for(self, agent: str) -> OperatorKind:
        choice = self.choice
        return collapse_operator_kind(
            agent, choice.agent_kinds, choice.kind, self.bp_agent_kinds, self.bp_global_kind
        )


class Backends:
    """The three registries of an engine."""

    def __init__(self, ledger: Ledger) -> None:
        self.bridges: Registry[SeniorBridge] = Registry(ledger, "senior bridge", ("ask",))
        self.hooks: Registry[SpawnHook] = Registry(ledger, "spawn hook", ("before", "after"))
        self.operators: Registry[Operator] = Registry(ledger, "operator", ("execute",))
        self._made: dict[str, Registry[Any]] = {}

    def register_inline(self, info: OperatorInfo) -> Ids:
        """Register the objects of `info` under ids made for them; all of them or none."""
        made: list[str | None] = []
        try:
            made.append(self._inline(self.bridges, BRIDGE, info.senior_bridge))
            made.append(self._inline(self.hooks, HOOK, info.spawn_hook))
            made.append(self._inline(self.operators, OPERATOR, info.operator))
        except SkepError:
            self.unregister_inline(made)
            raise
        return made[0], made[1], made[2]

    def unregister_inline(self, ids: Iterable[str | None]) -> None:
        """Forget objects whose ids were made for them; those whose ids somebody chose stay."""
        for name in ids:
            registry = self._made.pop(name, None) if name is not None else None
            if name is not None and registry is not None:
                registry.unregister(name)

    def _inline(self, registry: Registry[Any], prefix: str, backend: Any) -> str | None:
        if backend is None:
            return None
        name = new_id(prefix)
        registry.register(name, backend)
        self._made[name] = registry
        return name

    async def info(self, backing: Backing, agent: str, cancel: CancelToken) -> OperatorInfo:
        """Who stands behind `agent` now. Raises `BackendMissing`."""
        choice = backing.choice
        return OperatorInfo(
            kind=backing.kind_for(agent),
            id=backing.id,
            senior_bridge=await self.bridges.get(choice.bridge_id, cancel),
            spawn_hook=await self.hooks.get(choice.hook_id, cancel),
            operator=await self.operators.get(choice.backend_id, cancel),
        )


def of_run(starter: str, choice: OperatorChoice | None, blueprint: Blueprint) -> Backing | None:
    """Who stands behind the agents of a run; null when nobody has said anything."""
    kinds, default = blueprint_kinds(blueprint)
    if choice is None and not kinds and default is None:
        return None
    return Backing(
        id=starter, choice=choice or OperatorChoice(), bp_agent_kinds=kinds, bp_global_kind=default
    )


def of_session(session: SessionState) -> Backing:
    """Who stands behind the agents of a session's tasks."""
    return Backing(
        id=session.operator_id,
        choice=OperatorChoice(
            kind=session.operator_kind,
            agent_kinds=dict(session.runtime_agent_kinds),
            bridge_id=session.bridge_id,
            hook_id=session.hook_id,
            backend_id=session.operator_backend_id,
        ),
        bp_agent_kinds=session.bp_agent_kinds,
        bp_global_kind=session.bp_global_kind,
    )


def _key(name: str) -> str:
    return f"backend:{name}"
