"""Who may stand behind an agent: the published bridge, hook and operator, and what an attempt knows of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from msgspec import Struct

from skep.core.session_events import OperatorKind

if TYPE_CHECKING:
    from skep.workers.base import Ctx, WorkerResult


class SeniorBridge(Protocol):
    """Somebody senior, asked when a worker's result is not good."""

    async def ask(self, task_id: str, question: Any) -> Any:
        """The answer; whatever it raises means that there is none."""
        ...


class SpawnHook(Protocol):
    """Looks at attempts of agents whose kind is `main_ai` or `composite`."""

    async def before(self, ctx: Ctx) -> None:
        """May refuse the attempt by raising."""
        ...

    async def after(self, ctx: Ctx, value: Any) -> None:
        """Sees the result."""
        ...


class Operator(Protocol):
    """Does the work of an attempt itself."""

    async def execute(self, ctx: Ctx, system: str | None, prompt: str, token: str) -> WorkerResult:
        """`token` is the attempt's capability, encoded."""
        ...


class OperatorInfo(Struct, frozen=True, kw_only=True):
    """Who stands behind one agent: its kind by the cascade, and the objects that are named for it."""

    kind: OperatorKind = "automate"
    id: str = "default-automate"
    senior_bridge: SeniorBridge | None = None
    spawn_hook: SpawnHook | None = None
    operator: Operator | None = None


NOBODY = OperatorInfo()
"""Behind an agent of which nobody has said anything."""
