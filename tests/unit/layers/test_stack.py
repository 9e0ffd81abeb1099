from __future__ import annotations

import asyncio
import logging

import pytest

from skep.core.outputs import final
from skep.errors import RejectedByMiddleware, SpawnError, WorkerCancelled, WorkerFailed
from skep.layers.audit import Audit
from skep.layers.base import Around
from skep.layers.project_name_alias import ProjectNameAlias
from skep.layers.resolver import Resolver
from skep.layers.stack import Stack
from skep.testing.aio import in_loop
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.base import wrap_join
from skep.workers.python.spawner import InProcSpawner


class Noting:
    """A layer that notes when a spawn passes it and when the worker has ended."""

    def __init__(self, name, notes):
        self.name = name
        self.notes = notes

    def __call__(self, inner):
        return _Noted(inner, self)


class _Noted(Around):
    def __init__(self, inner, layer):
        super().__init__(inner)
        self.layer = layer

    async def spawn(self, ctx):
        self.layer.notes.append(f"before {self.layer.name}")
        worker = await self.inner.spawn(ctx)

        async def after(outcome):
            self.layer.notes.append(f"after {self.layer.name}")
            return outcome

        return wrap_join(worker, after, name=self.layer.name)


class Base:
    """Keeps the ctx that reached it."""

    def __init__(self, *, runs_ahead=True):
        self.runs_ahead = runs_ahead
        self.seen = []

        async def f():
            return None

        self._inner = InProcSpawner(f)

    async def spawn(self, ctx):
        self.seen.append(ctx)
        return await self._inner.spawn(ctx)


async def perform(spawner, **fields):
    worker = await spawner.spawn(make_ctx(**fields))
    await worker.join()


@in_loop
async def test_the_last_layer_added_is_outermost():
    notes = []
    base = Base()
    inner = Stack(base).layer(Noting("A", notes))
    outer = inner.layer(Noting("B", notes))
    await perform(outer)
    assert notes == ["before B", "before A", "after A", "after B"]
    assert (inner.names, outer.names) == (("A",), ("B", "A"))
    notes.clear()
    await perform(inner)
    assert notes == ["before A", "after A"]


def test_running_ahead_is_the_bases_affair():
    for ahead in (True, False):
        assert Stack(Base(runs_ahead=ahead)).layer(Audit()).runs_ahead is ahead


@in_loop
async def test_audit_counts_and_logs_without_changing_anything():
    async def work(inv):
        if inv.input == "fail":
            raise ValueError("bad")
        if inv.input == "hang":
            await asyncio.Event().wait()
        return inv.input

    class Refusing:
        runs_ahead = True

        async def spawn(self, _ctx):
            raise RejectedByMiddleware("no")

    audit = Audit()
    stack = Stack(InProcSpawner(work)).layer(audit)
    attempt = FakeAttempt()
    await perform(stack, given="ok", channel=attempt)
    assert attempt.outputs == [final("ok")]
    with pytest.raises(WorkerFailed, match="ValueError: bad"):
        await perform(stack, given="fail")
    ctx = make_ctx("hang")
    asyncio.get_running_loop().call_later(0.01, ctx.cancel_token.cancel)
    with pytest.raises(WorkerCancelled):
        await (await stack.spawn(ctx)).join()
    with pytest.raises(RejectedByMiddleware):
        await perform(Stack(Refusing()).layer(audit))
    assert audit.counts == {"started": 3, "ended": 1, "failed": 1, "cancelled": 1, "refused": 1}


def test_audit_writes_a_line_for_each_end(caplog):
    with caplog.at_level(logging.INFO, "skep.audit"):
        test_audit_counts_and_logs_without_changing_anything()
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(" after ")[0].split(" ")[-1] for line in lines[:3]] == ["ended", "failed", "cancelled"]
    assert lines[3].endswith("was not started: spawn rejected by middleware: no")


@in_loop
async def test_resolver_names_another_agent_inside():
    base = Base()
    seen = []

    def resolve(agent, ctx):
        seen.append((agent, ctx.task_id))
        return "other"

    await perform(Stack(base).layer(Resolver(resolve)), agent="asked")
    assert [ctx.agent for ctx in base.seen] == ["other"]
    assert seen == [("asked", base.seen[0].task_id)]


@in_loop
async def test_project_name_alias_goes_inward_beside_what_is_there():
    base = Base()
    meta = {"input_refs": [1]}
    await perform(Stack(base).layer(ProjectNameAlias("hive")), meta=meta)
    assert base.seen[0].meta == {"input_refs": [1], "project_name_alias": "hive"}
    assert meta == {"input_refs": [1]}


@in_loop
async def test_a_resolver_that_fails_says_who_it_is():
    def resolve(agent, ctx):
        raise KeyError(agent)

    with pytest.raises(SpawnError, match="layer resolver: KeyError: 'tester'"):
        await perform(Stack(Base()).layer(Resolver(resolve)))
