"""Blueprints in Python: the same structs as from a document, so the same canonical JSON and the same version.

>>> from skep.flow.build import blueprint, branch, fanout, len_, let, p, seq, step
>>> bp = blueprint(
...     "review",
...     seq(
...         step("scan", in_={"path": p.path}, out=p.files),
...         fanout(
...             p.files, bind=p.file, body=step("read", in_=p.file, out=p.lines), select=p.lines,
...             join="all_settled", max_concurrency=8, out=p.lanes,
...         ),
...         branch(len_(p.lanes) > 0, let(p.verdict, "some"), let(p.verdict, "none")),
...     ),
...     agents={"scan": "agents:scan", "read": {"kind": "subprocess", "spec": {"program": "wc"}}},
... )
>>> [agent.name for agent in bp.agents]
['read', 'scan']
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from skep.core.retry import Backoff, RetryPolicy
from skep.errors import BuildError
from skep.flow.agents import AgentDef
from skep.flow.blueprint import Blueprint, parse_blueprint
from skep.flow.nodes import Branch, Case, Fanout, Join, Let, Loop, Node, Parallel, Seq, Step, Switch, Try
from skep.flow.struct_reader import to_document
from skep.flow.terms import (
    Term,
    arr,
    concat,
    exists,
    format_,
    in_,
    keys_,
    len_,
    max_,
    min_,
    obj,
    p,
    to_expr,
    to_path,
)
from skep.flow.write import to_canonical

Body = Node | Sequence[Node]
"""A node, or several for one after the other."""
PathLike = Term | str
"""`p.name` or `"$.name"`."""
Agent = str | Mapping[str, Any] | AgentDef | Callable[..., Any]
"""`"module:function"`, the fields of a definition, or a function that can be imported."""
Retry = RetryPolicy


def step(
    agent: str,
    *,
    in_: Any,
    out: PathLike,
    id: str | None = None,  # noqa: A002 - the node's word
    retry: RetryPolicy | int | None = None,
    timeout: float | None = None,
) -> Node:
    """Give `in_` to an agent and write what it returns to `out`.

    Args:
        agent: its name.
        in_: a value with terms in it; `p` for the whole ctx.
        out: where the result is written.
        id: the step's name in keys and reports.
        retry: a policy, or the number of attempts; replaces the agent's.
        timeout: seconds for one attempt.
    """
    policy = RetryPolicy(max_attempts=retry) if isinstance(retry, int) else retry
    return Step(
        id=id, agent=agent, input=to_expr(in_), out=to_path(out, "out"), retry=policy, timeout=timeout
    )


def seq(*nodes: Body, id: str | None = None) -> Node:  # noqa: A002 - the node's word
    """Nodes one after the other."""
    return Seq(id=id, children=tuple(_node(node) for node in nodes))


def branch(cond: Any, then: Body, else_: Body = (), *, id: str | None = None) -> Node:  # noqa: A002
    """`then` if `cond` is true, `else_` if it is false; anything else is an error."""
    return Branch(id=id, cond=to_expr(cond), then=_node(then), otherwise=_node(else_))


def switch(
    on: Any,
    cases: Mapping[Any, Body] | Sequence[tuple[Any, Body]],
    *,
    default: Body | None = None,
    id: str | None = None,  # noqa: A002 - the node's word
) -> Node:
    """The first case whose value equals `on`; pairs instead of a mapping allow any value."""
    pairs = cases.items() if isinstance(cases, Mapping) else cases
    arms = tuple(Case(value, _node(body)) for value, body in pairs)
    return Switch(id=id, on=to_expr(on), cases=arms, default=None if default is None else _node(default))


def loop(
    *,
    counter: PathLike,
    cond: Any,
    max: int,  # noqa: A002 - the node's word
    body: Body,
    id: str | None = None,  # noqa: A002 - the node's word
) -> Node:
    """`body` while `cond` holds (tested first), at most `max` times; `counter` is the turn, from 0."""
    return Loop(id=id, counter=to_path(counter, "counter"), cond=to_expr(cond), max=max, body=_node(body))


def fanout(
    items: Any,
    *,
    bind: PathLike,
    body: Body,
    out: PathLike,
    join: Join = "all",
    max_concurrency: int | None = None,
    select: Any = None,
    id: str | None = None,  # noqa: A002 - the node's word
) -> Node:
    """`body` once for each item, side by side, each lane on a ctx of its own with the item at `bind`.

    Args:
        items: an array.
        bind: where a lane finds its item.
        body: what each lane runs.
        out: where the lanes' results are written.
        join: `all`, `any` (first success), `race` (first end) or `all_settled`.
        max_concurrency: lanes at once; all by default.
        select: what a lane hands back; its whole ctx by default.
        id: the node's name in keys and reports.
    """
    return Fanout(
        id=id,
        items=to_expr(items),
        bind=to_path(bind, "bind"),
        body=_node(body),
        join=join,
        out=to_path(out, "out"),
        max_concurrency=max_concurrency,
        select=None if select is None else to_expr(select),
    )


def parallel(
    branches: Mapping[str, Body],
    *,
    out: PathLike,
    join: Join = "all",
    select: Any = None,
    id: str | None = None,  # noqa: A002 - the node's word
) -> Node:
    """Different nodes side by side, each on a ctx of its own; results by name."""
    return Parallel(
        id=id,
        branches={name: _node(body) for name, body in branches.items()},
        join=join,
        out=to_path(out, "out"),
        select=None if select is None else to_expr(select),
    )


def try_(body: Body, catch: Body, *, err_at: PathLike | None = None, id: str | None = None) -> Node:  # noqa: A002
    """`catch` if `body` fails: what it wrote is undone, the error's text stands at `err_at`."""
    place = None if err_at is None else to_path(err_at, "err_at")
    return Try(id=id, body=_node(body), catch=_node(catch), err_at=place)


def let(at: PathLike, value: Any, *, id: str | None = None) -> Node:  # noqa: A002 - the node's word
    """Write a value."""
    return Let(id=id, at=to_path(at, "at"), value=to_expr(value))


def blueprint(id: str, flow: Body, *, agents: Mapping[str, Agent] | None = None, **fields: Any) -> Blueprint:  # noqa: A002
    """A Blueprint, checked as one from a document is.

    Args:
        id: its name, the same for all its versions.
        flow: what runs.
        agents: who works, by name; agents that the engine has registered need not stand here.
        fields: any other field of a Blueprint, as a document has it.

    Raises:
        BlueprintError: with every problem of its shape.
    """
    declared = {name: _agent(name, agent) for name, agent in (agents or {}).items()}
    return parse_blueprint({"id": id, "flow": to_canonical(_node(flow)), "agents": declared, **fields})


def _node(body: Any) -> Node:
    if isinstance(body, Node):
        return body
    if isinstance(body, (list, tuple)):
        return seq(*cast("Sequence[Node]", body))
    raise BuildError(f"{type(body).__name__} is no node", fix="use step(), seq(), branch() ...")


def _agent(name: str, agent: Agent) -> Any:
    if isinstance(agent, AgentDef):
        return to_document(agent)
    if not callable(agent):
        return agent
    module, path = str(getattr(agent, "__module__", "")), str(getattr(agent, "__qualname__", ""))
    if module == "__main__" or _named(module, path) != agent:
        fix = f"register it: @engine.agent({name!r}), or move it to the top of a module"
        raise BuildError(f"the function of agent {name!r} cannot be imported after a restart", fix=fix)
    return f"{module}:{path}"


def _named(module: str, path: str) -> Any:
    """What an import would find."""
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


__all__ = [
    "Agent",
    "Backoff",
    "Body",
    "PathLike",
    "Retry",
    "Term",
    "arr",
    "blueprint",
    "branch",
    "concat",
    "exists",
    "fanout",
    "format_",
    "in_",
    "keys_",
    "len_",
    "let",
    "loop",
    "max_",
    "min_",
    "obj",
    "p",
    "parallel",
    "seq",
    "step",
    "switch",
    "try_",
]
