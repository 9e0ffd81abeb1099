"""What the machine's tests share: flows in few words, and a drive that checks every law at every input."""

from __future__ import annotations

from typing import Any

import msgspec

from skep.flow import nodes
from skep.flow.expr import Expr
from skep.flow.expr_text import parse_expression
from skep.flow.inputs import (
    Answered,
    AnyWant,
    CancelRequested,
    Changes,
    Ended,
    Settled,
    Signalled,
    SignalWant,
    Started,
    TimerFired,
    Unanswered,
    Want,
)
from skep.flow.machine import Machine, MachineState
from skep.flow.path import parse_path
from skep.flow.program import Program, compile_flow
from skep.limits import DEFAULT_LIMITS, Limits


def expr(text: str) -> Expr:
    return parse_expression(text)


def step(
    agent: str = "a", given: str = "$", out: str = "$.r", node_id: str | None = None, **fields: Any
) -> nodes.Step:
    return nodes.Step(agent=agent, input=expr(given), out=parse_path(out), id=node_id, **fields)


def let(at: str, value: str) -> nodes.Let:
    return nodes.Let(at=parse_path(at), value=expr(value))


def seq(*children: nodes.Node, node_id: str | None = None) -> nodes.Seq:
    return nodes.Seq(children=children, id=node_id)


def branch(cond: str, then: nodes.Node, otherwise: nodes.Node | None = None) -> nodes.Branch:
    return nodes.Branch(cond=expr(cond), then=then, otherwise=otherwise or seq())


def switch(on: str, cases: list[tuple[Any, nodes.Node]], default: nodes.Node | None = None) -> nodes.Switch:
    return nodes.Switch(
        on=expr(on), cases=tuple(nodes.Case(value, body) for value, body in cases), default=default
    )


def loop(
    body: nodes.Node, turns: int, cond: str = "true", counter: str = "$.n", node_id: str | None = None
) -> nodes.Loop:
    return nodes.Loop(counter=parse_path(counter), cond=expr(cond), body=body, max=turns, id=node_id)


def try_(body: nodes.Node, catch: nodes.Node | None = None, err_at: str | None = "$.err") -> nodes.Try:
    return nodes.Try(body=body, catch=catch or seq(), err_at=parse_path(err_at) if err_at else None)


def fanout(
    body: nodes.Node,
    join: nodes.Join = "all",
    select: str | None = "$.r",
    items: str = "$.items",
    bind: str = "$.item",
    *,
    out: str = "$.out",
    node_id: str | None = None,
    max_concurrency: int | None = None,
) -> nodes.Fanout:
    return nodes.Fanout(
        items=expr(items),
        bind=parse_path(bind),
        body=body,
        join=join,
        out=parse_path(out),
        select=expr(select) if select else None,
        max_concurrency=max_concurrency,
        id=node_id,
    )


def parallel(
    branches: dict[str, nodes.Node], join: nodes.Join = "all", select: str | None = "$.r", out: str = "$.out"
) -> nodes.Parallel:
    return nodes.Parallel(
        branches=branches, join=join, out=parse_path(out), select=expr(select) if select else None
    )


def ask(question: str = "'ok?'", out: str = "$.r", audience: str = "role:senior", **fields: Any) -> nodes.Ask:
    return nodes.Ask(question=expr(question), audience=(audience,), out=parse_path(out), **fields)


def wait(
    for_: str | None = None, until: str | None = None, signal: str | None = None, out: str | None = None
) -> nodes.Wait:
    return nodes.Wait(
        for_=expr(for_) if for_ else None,
        until=expr(until) if until else None,
        signal=signal,
        out=parse_path(out) if out else None,
    )


def through_json(state: MachineState) -> MachineState:
    return msgspec.json.decode(msgspec.json.encode(state), type=MachineState)


class Drive:
    """Feeds a machine by hand.

    Beside it, a twin is dumped, sent through JSON and loaded before every input, and must say the same; what
    the machine wants and awaits must be the sum of what it said.
    """

    def __init__(self, flow: nodes.Node | Program, ctx: Any = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self.program = flow if isinstance(flow, Program) else compile_flow(flow, limits)
        self.machine = Machine(self.program)
        self.live: dict[str, AnyWant] = {}
        self.ending: list[str] = []
        self.inputs: list[Any] = []
        self.changes = Changes()
        self._twin = Machine(self.program)
        self.feed(Started({} if ctx is None else ctx))

    def feed(self, event: Any) -> Changes:
        self._twin = Machine.load(self.program, through_json(self._twin.dump()))
        changes = self.machine.feed(event)
        assert self._twin.feed(event) == changes
        assert self._twin.dump() == self.machine.dump()
        self.inputs.append(event)
        self._book(event, changes)
        self.changes = changes
        return changes

    def _book(self, event: Any, changes: Changes) -> None:
        if isinstance(event, Settled) and self.live.pop(event.key, None) is None:
            self.ending.remove(event.key)
        if isinstance(event, (Answered, Unanswered, TimerFired)):
            del self.live[event.key]
        if isinstance(event, Signalled) and (taker := self.taker(event.name)) is not None:
            del self.live[taker]
        for key in changes.dropped:
            assert isinstance(self.live.pop(key), Want)
            assert key not in self.ending
            self.ending.append(key)
        for key in changes.withdrawn:
            assert not isinstance(self.live.pop(key), Want)
        fresh = (*changes.wants, *changes.asks, *changes.timers, *changes.signals)
        for want in fresh:
            assert want.key not in self.live
            assert want.key not in self.ending
            self.live[want.key] = want
        wanted = self.machine.wanted()
        assert {want.key: want for want in wanted} == self.live
        assert len(wanted) == len(self.live)
        for of_a_kind in (changes.wants, changes.asks, changes.timers, changes.signals):
            new = {want.key for want in of_a_kind}
            assert [want for want in wanted if want.key in new] == list(of_a_kind), "not in program order"
        assert sorted(self.machine.ending()) == sorted(self.ending)
        assert self.machine.ended == changes.ended
        if changes.ended:
            assert not self.live
            assert not self.ending
            assert self.machine.dump().lanes == []

    def taker(self, name: str) -> str | None:
        """Who has waited longest for a signal."""
        return next((w.key for w in self.live.values() if isinstance(w, SignalWant) and w.name == name), None)

    def recover(self) -> None:
        """Go on from what would have been stored."""
        self.machine = Machine.load(self.program, through_json(self.machine.dump()))

    # -- in short ------------------------------------------------------------------------------

    @property
    def keys(self) -> list[str]:
        return [want.key for want in self.machine.wanted()]

    @property
    def ended(self) -> Ended | None:
        return self.machine.ended

    @property
    def ctx(self) -> Any:
        assert self.ended is not None, f"still wants {self.keys}, awaits {self.ending}"
        assert self.ended.status == "done", self.ended
        return self.ended.ctx

    @property
    def error(self) -> dict[str, Any]:
        assert self.ended is not None, f"still wants {self.keys}, awaits {self.ending}"
        assert self.ended.status == "failed", self.ended
        assert self.ended.error is not None
        return self.ended.error

    def ok(self, key: str, value: Any = None) -> Changes:
        want = self.live[key]
        return self.feed(Settled(key, "pass", want.agent, want.digest, value=value))

    def fail(
        self,
        key: str,
        message: str | None = "boom",
        status: Any = "error",
        value: Any = None,
        code: str | None = None,
    ) -> Changes:
        want = self.live[key]
        return self.feed(Settled(key, status, want.agent, want.digest, value, message, code))

    def answer(self, key: str, value: Any = None) -> Changes:
        return self.feed(Answered(key, self.live[key].digest, value))

    def leave_unanswered(self, key: str, message: str = "nobody answered") -> Changes:
        return self.feed(Unanswered(key, self.live[key].digest, message))

    def fire(self, key: str) -> Changes:
        return self.feed(TimerFired(key))

    def signal(self, name: str, value: Any = None) -> Changes:
        return self.feed(Signalled(name, value))

    def end(self, key: str) -> Changes:
        assert key in self.ending
        return self.feed(Settled(key, "cancelled", agent="", digest=""))

    def cancel(self, reason: str = "enough") -> Changes:
        return self.feed(CancelRequested(reason))

    def replay(self) -> Machine:
        """A fresh machine that was fed what this one was."""
        machine = Machine(self.program)
        for event in self.inputs:
            machine.feed(event)
        return machine
