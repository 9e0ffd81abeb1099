"""Try a flow offline: no engine, no store, no event loop, plain functions for agents."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from inspect import iscoroutine
from itertools import count
from typing import Any

from skep import values
from skep.core.outputs import Final, Inline
from skep.errors import BadValue, ConfigError, NotRegistered, RunFailed, WorkerFailed
from skep.flow.blueprint import Blueprint
from skep.flow.inputs import (
    Answered,
    AskWant,
    Changes,
    Input,
    Settled,
    Signalled,
    Started,
    TimerFired,
    Unanswered,
    Want,
)
from skep.flow.load import Loaded
from skep.flow.machine import Machine
from skep.flow.nodes import Node
from skep.flow.problems import did_you_mean
from skep.flow.program import Program, compile_flow

Agent = Callable[[Any], Any]
Answer = Callable[[AskWant], Any]


def run_pure(
    flow: Node | Program | Blueprint | Loaded,
    ctx: Any,
    agents: Mapping[str, Agent],
    *,
    answer: Answer | None = None,
    signals: Iterable[tuple[str, Any]] = (),
) -> Any:
    """Run a flow to its end and return its final ctx.

    Steps run one at a time, in the order in which the flow wants them. An agent is called with the step's
    input and returns its value; `skep.core.outputs.final(value, ok=False)` blocks the step, and a raised
    `Exception` fails it. Retries, timeouts and prompts belong to the engine and play no part. Values go
    through JSON as in a real run, so what an agent may not return there fails here, too. Questions are answered
    at once. Time stands at 0 and jumps to the next timer when there is nothing else to do.

    >>> from skep.flow.expr import PathExpr
    >>> from skep.flow.nodes import Fanout, Step
    >>> from skep.flow.path import parse_path
    >>> double = Step(agent="double", input=PathExpr(parse_path("$.n")), out=parse_path("$.n"))
    >>> numbers, n = PathExpr(parse_path("$.numbers")), PathExpr(parse_path("$.n"))
    >>> flow = Fanout(
    ...     items=numbers, bind=parse_path("$.n"), body=double, select=n, out=parse_path("$.doubled")
    ... )
    >>> run_pure(flow, {"numbers": [1, 2]}, {"double": lambda n: 2 * n})
    {'numbers': [1, 2], 'doubled': [2, 4]}

    Args:
        flow: the root node, a Program compiled before, or a Blueprint, also as loaded from a file.
        ctx: what the run starts with; an object is laid over the Blueprint's `default_init_ctx`, if that is one.
        agents: by the name that steps refer to; plain functions, also in place of a Blueprint's own agents.
        answer: called with each question (`.question`, `.audience`, `.key` ...), returns its answer; what it
            raises is passed on, but for a `TimeoutError`: then the deadline has come. No schema is checked.
        signals: name and value of each, all of them there from the start.

    Raises:
        RunFailed: the flow failed; `error` holds `code`, `message` and `step`, the key of the step.
        NotRegistered: the flow wants an agent that is not in `agents`.
        ConfigError: an agent is an async function, a question finds no `answer`, or a signal never comes.
        BadValue: `ctx` is not a JSON value.
    """
    program, first = _start(flow, ctx)
    machine = Machine(program)
    world = _World(agents, answer, machine)
    world.inputs.append(Started(_taken_in(first, "ctx")))
    world.inputs.extend(Signalled(name, _taken_in(value, name)) for name, value in signals)
    while machine.ended is None:
        world.take(machine.feed(world.next()))
    if machine.ended.status == "done":
        return machine.ended.ctx
    raise RunFailed("pure", machine.ended.status, machine.ended.error)


def _start(flow: Node | Program | Blueprint | Loaded, ctx: Any) -> tuple[Program, Any]:
    """What runs, and the first ctx, as an engine would have it."""
    if isinstance(flow, Loaded):
        flow = flow.blueprint
    if isinstance(flow, Blueprint):
        default = flow.default_init_ctx
        if values.type_of(default) is dict and values.type_of(ctx) is dict:
            ctx = {**default, **ctx}
        flow = flow.flow
    return (flow if isinstance(flow, Program) else compile_flow(flow)), ctx


class _World:
    """What the flow waits for, and what comes of it."""

    def __init__(self, agents: Mapping[str, Agent], answer: Answer | None, machine: Machine) -> None:
        self.inputs: deque[Input] = deque()
        self._agents = agents
        self._answer = answer
        self._machine = machine
        self._waiting: OrderedDict[str, Want | AskWant] = OrderedDict()
        self._timers: list[tuple[float, int, str]] = []
        self._order = count()
        self._withdrawn: set[str] = set()
        self._now = 0.0

    def take(self, changes: Changes) -> None:
        for key in changes.dropped:
            del self._waiting[key]
            self.inputs.append(
                Settled(key, "cancelled", agent="", digest="")
            )  # it never ran, so it has ended
        for key in changes.withdrawn:
            self._waiting.pop(key, None)
        self._withdrawn.update(changes.withdrawn)
        self._waiting.update((want.key, want) for want in (*changes.wants, *changes.asks))
        for timer in changes.timers:
            due = self._now + (timer.seconds or 0.0) if timer.until is None else timer.until / 1000
            heappush(self._timers, (due, next(self._order), timer.key))

    def next(self) -> Input:
        """What happens next: what has come in, else a step or an answer, else a timer."""
        if self.inputs:
            return self.inputs.popleft()
        if self._waiting:
            want = self._waiting.popitem(last=False)[1]
            return _perform(want, self._agents) if isinstance(want, Want) else _ask(want, self._answer)
        while self._timers:
            due, _, key = heappop(self._timers)
            if key not in self._withdrawn:
                self._now = max(self._now, due)
                return TimerFired(key)
        (first, *_) = self._machine.wanted()
        fix = "pass signals=[(name, value)]"
        raise ConfigError("the flow waits for a signal that does not come", where=first.key, fix=fix)


def _taken_in(value: Any, where: str) -> Any:
    return values.decode(values.encode(value, where=where))


def _ask(want: AskWant, answer: Answer | None) -> Answered | Unanswered:
    if answer is None:
        fix = "pass answer=lambda ask: ..."
        raise ConfigError("the flow asks a question", where=want.key, fix=fix)
    try:
        value = _taken_in(values.to_plain(answer(want)), "answer")
    except TimeoutError:
        if isinstance(want.on_timeout, dict):
            return Answered(want.key, want.digest, want.on_timeout["value"])
        return Unanswered(want.key, want.digest, "nobody has answered in time")
    return Answered(want.key, want.digest, value)


def _perform(want: Want, agents: Mapping[str, Agent]) -> Settled:
    agent = agents.get(want.agent)
    if agent is None:
        raise NotRegistered(
            f"no agent {want.agent!r}", where=want.key, fix=did_you_mean(want.agent, list(agents))
        )
    try:
        result = agent(want.input)
        value, ok = (None, True) if iscoroutine(result) else _value(result)
    except Exception as error:  # noqa: BLE001 - whatever an agent raises fails its step, as in the engine
        message = f"{type(error).__name__}: {error}"
        return Settled(want.key, "error", want.agent, want.digest, message=message, code=WorkerFailed.code)
    if iscoroutine(result):
        result.close()
        fix = "give a plain function here, such as lambda given: ..., or run the flow in an engine"
        raise ConfigError(f"agent {want.agent!r} is an async function", where=want.key, fix=fix)
    return Settled(want.key, "pass" if ok else "blocked", want.agent, want.digest, value=value)


def _value(result: Any) -> tuple[Any, bool]:
    """What a worker's result is after the edge (R-value)."""
    if isinstance(result, Final):
        if not isinstance(result.content, Inline):
            raise BadValue("only inline values can be tried offline", fix="return the value itself")
        return values.decode(result.content.value), result.ok
    return values.decode(values.encode(values.to_plain(result), where="result")), True
