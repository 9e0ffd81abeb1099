"""`sink`: a large result is kept as an artifact, and the flow carries a reference to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct

from skep import values
from skep.core.outputs import final
from skep.flow.catalog import HintInfo
from skep.layers.base import Around
from skep.layers.options import check_of, read_options
from skep.workers.base import Ctx, Outcome, Spawner, Worker, wrap_join
from skep.workers.layer_env import LayerEnv

REFERENCE = "out_ref"
"""The field of an object that stands for the value which it refers to."""

BY = "layer:sink"


class SinkOptions(Struct, frozen=True):
    over: Annotated[int, Meta(ge=0, le=67_108_864)] = 65_536
    """Bytes of JSON; results above are kept by reference."""
    name: Annotated[str, Meta(min_length=1, max_length=200)] = "result"
    """The name of the artifact."""


HINT = HintInfo(
    key="sink",
    what="keeps large results as artifacts, hands on a reference",
    check=check_of(SinkOptions),
    untrusted_keys=frozenset({"over", "name"}),
)


class Sink:
    """Appends `{"out_ref": "out-...", "size": bytes}` after a good inline `final` of more than `over` bytes.

    The value itself stays in the record and becomes an artifact; around the agent that needs it,
    `input_inject` puts it back.
    """

    name = "sink"

    def __init__(self, options: SinkOptions) -> None:
        self._options = options

    def __call__(self, inner: Spawner) -> Spawner:
        return _Sinking(inner, self._options)


def build(options: Mapping[str, Any], _env: LayerEnv) -> Sink:
    return Sink(read_options(SinkOptions, options))


class _Sinking(Around):
    def __init__(self, inner: Spawner, options: SinkOptions) -> None:
        super().__init__(inner)
        self._options = options

    async def spawn(self, ctx: Ctx) -> Worker:
        async def after(outcome: Outcome) -> Outcome:
            last = ctx.channel.last_final()
            if outcome is None and last is not None and last[1]:
                self._keep(ctx, last[0])
            return outcome

        return wrap_join(await self.inner.spawn(ctx), after, name=Sink.name)

    def _keep(self, ctx: Ctx, value: Any) -> None:
        size = len(values.canonical(value))
        if size > self._options.over and not is_reference(value):
            reference = ctx.channel.set_aside(self._options.name, value, by=BY)
            ctx.channel.append(final({REFERENCE: reference, "size": size}), by=BY)


def is_reference(value: Any) -> bool:
    """Whether a value stands for another one."""
    return (
        isinstance(value, dict) and value.keys() == {REFERENCE, "size"} and isinstance(value[REFERENCE], str)
    )
