"""Try a flow offline: no engine, no store, no event loop, plain functions for agents."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from inspect import iscoroutine
from typing import Any

from skep import values
from skep.core.outputs import Final, Inline
from skep.errors import BadValue, ConfigError, NotRegistered, RunFailed, WorkerFailed
from skep.flow.blueprint import Blueprint
from skep.flow.inputs import Input, Settled, Started, Want
from skep.flow.load import Loaded
from skep.flow.machine import Machine
from skep.flow.nodes import Node
from skep.flow.problems import did_you_mean
from skep.flow.program import Program, compile_flow

Agent = Callable[[Any], Any]


def run_pure(flow: Node | Program | Blueprint | Loaded, ctx: Any, agents: Mapping[str, Agent]) -> Any:
    """Run a flow to its end and return its final ctx.

    Steps run one at a time, in the order in which the flow wants them. An agent is called with the step's
    input and returns its value; `skep.core.outputs.final(value, ok=False)` blocks the step, and a raised
    `Exception` fails it. Retries, timeouts and prompts belong to the engine and play no part. Values go
    through JSON as in a real run, so what an agent may not return there fails here, too.

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

    Raises:
        RunFailed: the flow failed; `error` holds `code`, `message` and `step`, the key of the step.
        NotRegistered: the flow wants an agent that is not in `agents`.
        ConfigError: an agent is an async function.
        BadValue: `ctx` is not a JSON value.
    """
    program, first = _start(flow, ctx)
    machine = Machine(program)
    inputs: deque[Input] = deque([Started(values.decode(values.encode(first, where="ctx")))])
    waiting: OrderedDict[str, Want] = OrderedDict()
    while machine.ended is None:
        event = inputs.popleft() if inputs else _perform(waiting.popitem(last=False)[1], agents)
        changes = machine.feed(event)
        for key in changes.dropped:
            del waiting[key]
            inputs.append(Settled(key, "cancelled", agent="", digest=""))  # it never ran, so it has ended
        waiting.update((want.key, want) for want in changes.wants)
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


def _perform(want: Want, agents: Mapping[str, Agent]) -> Settled:
    agent = agents.get(want.agent)
    if agent is None:
        raise NotRegistered(
            f"no agent {want.agent!r}", where=want.key, fix=did_you_mean(want.agent, list(agents))
        )
    try:
        result = agent(values.decode(values.encode(want.input)))
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
