"""An output that no journal can write stops its own run, by name, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from engines import Agents, blueprint, step
from skep import Engine
from skep.core.outputs import Final, inline
from skep.errors import NotRecordable
from skep.layers.base import Around
from skep.layers.registry import LayerRegistry, always
from skep.testing.aio import in_loop
from skep.workers.base import wrap_join

NO_VERDICT: Any = object()
ODD = Final(inline(1), ok=NO_VERDICT)


class Odd:
    """A layer that puts an output past every check, as a defect of ours would."""

    name = "odd"

    def __call__(self, inner):
        return _Odd(inner)


class _Odd(Around):
    async def spawn(self, ctx):
        async def ended(outcome):
            if ctx.agent == "odd":
                ctx.channel.delivered = ODD
            return outcome

        return wrap_join(await self.inner.spawn(ctx), ended, name=Odd.name)


@pytest.mark.parametrize("durability", ["group", "step"])
@in_loop
async def test_a_run_whose_output_cannot_be_recorded_stops_alone_and_goes_on_when_mended(
    tmp_path, caplog, durability
):
    url = f"sqlite:///{tmp_path}/skep.db"
    layers = LayerRegistry().with_base("odd", always(Odd))
    async with Engine.open(url, layers=layers) as engine:
        agents = Agents(engine)

        @engine.agent("odd")
        async def odd(inv):
            return "as it should be"

        sibling = await engine.start(blueprint([step("gate"), step("echo")]), {})
        flow = [step("inc", "$.n", "$.n"), step("odd")]
        stopped = await engine.start(blueprint(flow), {"n": 1}, durability=durability)
        with pytest.raises(NotRecordable, match=r"WorkerOutput, .* at version .* then resume") as caught:
            await stopped.wait()
        assert caught.value.where == f"run:{stopped.id}"
        assert stopped.id in caplog.text
        agents.release.set()
        assert (await sibling.wait()).status == "done"
        later = await engine.start(blueprint(step("echo")), {"n": 2})
        assert (await later.wait()).status == "done"
        assert (await engine.get_run(stopped.id)).status == "interrupted"
        assert engine.stats()["open_runs"] == 0
    async with Engine.open(url, recover="none") as engine:
        agents = Agents(engine)
        engine.agent("odd")(odd)
        info = await (await engine.resume_run(stopped.id)).wait()
        assert (info.status, info.result) == ("done", {"n": 2, "out": "as it should be"})
        assert not agents.calls, "the step before it is durable"
