"""Try a flow offline: no engine, no store, no event loop, plain functions for agents."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any

from skep import values
from skep.core.outputs import Final, Inline
from skep.errors import BadValue, NotRegistered, RunFailed, SkepError
from skep.flow.inputs import Input, Settled, Started, Want
from skep.flow.machine import Machine
from skep.flow.nodes import Node
from skep.flow.problems import did_you_mean
from skep.flow.program import Program, compile_flow

Agent = Callable[[Any], Any]


def run_pure(flow: Node | Program, ctx: Any, agents: Mapping[str, Agent]) -> Any:
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
        flow: the root node, or a Program compiled before.
        ctx: what the run starts with.
        agents: by the name that steps refer to.

    Raises:
        RunFailed: the flow failed; `error` holds `code`, `message` and `step`, the key of the step.
        NotRegistered: the flow wants an agent that is not in `agents`.
        BadValue: `ctx` is not a JSON value.
    """
    machine = Machine(flow if isinstance(flow, Program) else compile_flow(flow))
    inputs: deque[Input] = deque([Started(values.decode(values.encode(ctx, where="ctx")))])
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


def _perform(want: Want, agents: Mapping[str, Agent]) -> Settled:
    agent = agents.get(want.agent)
    if agent is None:
        raise NotRegistered(
            f"no agent {want.agent!r}", where=want.key, fix=did_you_mean(want.agent, list(agents))
        )
    try:
        result = agent(values.decode(values.encode(want.input)))
        value, ok = _value(result)
    except SkepError as error:
        return Settled(want.key, "error", want.agent, want.digest, message=str(error), code=error.code)
    except Exception as error:  # noqa: BLE001 - whatever an agent raises fails its step, as in the engine
        message = f"{type(error).__name__}: {error}"
        return Settled(want.key, "error", want.agent, want.digest, message=message)
    return Settled(want.key, "pass" if ok else "blocked", want.agent, want.digest, value=value)


def _value(result: Any) -> tuple[Any, bool]:
    """What a worker's result is after the edge (R-value)."""
    if isinstance(result, Final):
        if not isinstance(result.content, Inline):
            raise BadValue("only inline values can be tried offline", fix="return the value itself")
        return values.decode(result.content.value), result.ok
    return values.decode(values.encode(values.to_plain(result), where="result")), True
