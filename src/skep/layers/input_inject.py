"""`input_inject`: references in an agent's input become the values that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from skep import values
from skep.errors import LimitExceeded, SkepError, SpawnError, WorkerCancelled
from skep.flow.catalog import HintInfo
from skep.layers.base import Around
from skep.layers.heed import heeding
from skep.layers.options import check_of, read_options
from skep.layers.sink import REFERENCE, is_reference
from skep.workers.base import Ctx, Spawner, Worker
from skep.workers.layer_env import LayerEnv


class InputInjectOptions(Struct, frozen=True):
    max_bytes: Annotated[int, Meta(ge=1, le=268_435_456)] = 16_777_216
    """Of all values together that one input gets."""


HINT = HintInfo(
    key="input_inject",
    what="puts the values of references into the input",
    check=check_of(InputInjectOptions),
    untrusted_keys=frozenset({"max_bytes"}),
)


class InputInject:
    """Replaces each `{"out_ref": "out-...", "size": n}` of an input by the value that `sink` has kept.

    Found are outputs of the same run. The prompt follows, unless somebody has given the attempt another one;
    `ctx.meta["input_refs"]` lists the references. The system prompt still sees the reference.
    """

    name = "input_inject"

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def __call__(self, inner: Spawner) -> Spawner:
        return _Injecting(inner, self._max_bytes)


def build(options: Mapping[str, Any], _env: LayerEnv) -> InputInject:
    return InputInject(read_options(InputInjectOptions, options).max_bytes)


class _Injecting(Around):
    def __init__(self, inner: Spawner, max_bytes: int) -> None:
        super().__init__(inner)
        self._max_bytes = max_bytes

    async def spawn(self, ctx: Ctx) -> Worker:
        references = list(dict.fromkeys(_references(ctx.input)))
        if not references:
            return await self.inner.spawn(ctx)
        try:
            found = await heeding(ctx.cancel_token, self._recall(ctx, references))
        except (LimitExceeded, WorkerCancelled):
            raise
        except SkepError as error:
            raise SpawnError(f"layer {InputInject.name}: {error.what}", fix=error.fix) from error
        given = _replaced(ctx.input, found)
        own_prompt = ctx.prompt == values.canonical(ctx.input).decode()
        return await self.inner.spawn(
            ctx.replace(
                input=given,
                prompt=_prompt(given) if own_prompt else ctx.prompt,
                meta={**ctx.meta, "input_refs": references},
            )
        )

    async def _recall(self, ctx: Ctx, references: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        room = self._max_bytes
        for reference in references:
            value = found[reference] = await ctx.channel.recall(reference)
            room -= len(values.canonical(value))
            if room < 0:
                raise LimitExceeded("max_bytes", self._max_bytes, where=f"layer {InputInject.name}")
        return found


def _references(value: Any) -> list[str]:
    """Every reference of a value, in order; a value's depth is bounded (R-value)."""
    if is_reference(value):
        return [value[REFERENCE]]
    kind = values.type_of(value)
    members: Any = value.values() if kind is dict else value if kind is list else ()
    return [reference for member in members for reference in _references(member)]


def _replaced(value: Any, found: Mapping[str, Any]) -> Any:
    if is_reference(value):
        return found[value[REFERENCE]]
    kind = values.type_of(value)
    if kind is dict:
        return {key: _replaced(member, found) for key, member in value.items()}
    if kind is list:
        return [_replaced(member, found) for member in value]
    return value


def _prompt(given: Any) -> str:
    return given if isinstance(given, str) else values.canonical(given).decode()
