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
from skep.flow.audience import ALTERNATIVES, read_alternative
from skep.flow.blueprint import Blueprint, parse_blueprint
from skep.flow.nodes import (
    Ask,
    Branch,
    Case,
    Fanout,
    Join,
    Let,
    Loop,
    Node,
    OnTimeout,
    Parallel,
    Seq,
    Step,
    Switch,
    Try,
    Wait,
)
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
from skep.flow.waiting import wait_mistake
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
    skip_if: Any = None,
) -> Node:
    """Give `in_` to an agent and write what it returns to `out`.

    Args:
        agent: its name.
        in_: a value with terms in it; `p` for the whole ctx.
        out: where the result is written.
        id: the step's name in keys and reports.
        retry: a policy, or the number of attempts; replaces the agent's.
        timeout: seconds for one attempt.
        skip_if: a boolean; where it is true the step is left out and writes nothing.
    """
    policy = RetryPolicy(max_attempts=retry) if isinstance(retry, int) else retry
    return Step(
        id=id,
        agent=agent,
        input=to_expr(in_),
        out=to_path(out, "out"),
        retry=policy,
        timeout=timeout,
        skip_if=None if skip_if is None else to_expr(skip_if),
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


def ask(
    question: Any,
    *,
    audience: str | Sequence[str],
    out: PathLike,
    schema: Mapping[str, Any] | None = None,
    deadline: float | None = None,
    on_timeout: OnTimeout = "fail",
    approval: bool = False,
    allow_self: bool = False,
    id: str | None = None,  # noqa: A002 - the node's word
) -> Node:
    """Ask somebody outside; the run waits, its other lanes do not.

    Args:
        question: text, or a value with terms in it.
        audience: `"role:senior"`, `"seat:NAME"`, `"principal:NAME"`, or several as alternatives.
        out: where the answer is written.
        schema: a JSON Schema that the answer must fit.
        deadline: seconds to answer in; no limit by default.
        on_timeout: `"fail"`, or `{"value": ...}` for the answer when nobody has answered by then.
        approval: whether somebody other than who started the run must answer.
        allow_self: whether who started the run may approve, too.
        id: the node's name in keys and reports.

    Raises:
        BuildError: an audience that is none.
    """
    return Ask(
        id=id,
        question=to_expr(question),
        audience=_audience([audience] if isinstance(audience, str) else audience),
        schema=None if schema is None else dict(schema),
        deadline=deadline,
        on_timeout=on_timeout,
        approval=approval,
        allow_self=allow_self,
        out=to_path(out, "out"),
    )


def wait(
    *,
    for_: Any = None,
    until: Any = None,
    signal: str | None = None,
    out: PathLike | None = None,
    id: str | None = None,  # noqa: A002 - the node's word
) -> Node:
    """Wait for a time or a signal; one of the three is given.

    Args:
        for_: seconds.
        until: seconds since 1970, or a text such as `"2030-01-31T08:00:00Z"`.
        signal: the signal's name.
        out: where the signal's value is written.
        id: the node's name in keys and reports.

    Raises:
        BuildError: none or more than one is given, or `out` without a signal.
    """
    node = Wait(
        id=id,
        for_=None if for_ is None else to_expr(for_),
        until=None if until is None else to_expr(until),
        signal=signal,
        out=None if out is None else to_path(out, "out"),
    )
    mistake = wait_mistake(node)
    if mistake is not None:
        raise BuildError(mistake.message, fix=mistake.fix)
    return node


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


def layer(key: str, **options: Any) -> Any:
    """A layer around the Blueprint's workers, for `blueprint(..., spawner_hints={"layers": [...]})`.

    >>> layer("audit"), layer("long_hold", default_hold=5)
    ('audit', {'long_hold': {'default_hold': 5}})
    """
    return {key: options} if options else key


def _node(body: Any) -> Node:
    if isinstance(body, Node):
        return body
    if isinstance(body, (list, tuple)):
        return seq(*cast("Sequence[Node]", body))
    raise BuildError(f"{type(body).__name__} is no node", fix="use step(), seq(), branch() ...")


def _audience(given: Sequence[str]) -> tuple[str, ...]:
    read = [read_alternative(one) for one in given]
    good = tuple(one for one in read if one is not None)
    if not good or len(good) < len(read):
        raise BuildError(f"{list(given)!r} is no audience", fix=f"use {ALTERNATIVES}")
    return good


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
    "ask",
    "blueprint",
    "branch",
    "concat",
    "exists",
    "fanout",
    "format_",
    "in_",
    "keys_",
    "layer",
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
    "wait",
]
