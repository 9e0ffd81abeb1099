"""The flow's nodes as data: `kind`-tagged structs in the newest published spelling.

This is the canonical form; `spellings.py` reads every other one and `read.py` builds these.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from skep.core.retry import RetryPolicy
from skep.flow.expr import Expr
from skep.flow.path import Path

Join = Literal["all", "any", "race", "all_settled"]
OnTimeout = Literal["fail"] | dict[str, Any]
"""`fail`, or `{"value": ...}`: the answer when nobody has answered in time."""


class Node(Struct, frozen=True, tag_field="kind", kw_only=True, omit_defaults=True):
    """Base of all nodes. `id` replaces the index in step keys and is unique among siblings."""

    id: str | None = None


class Step(Node, frozen=True, tag="step", kw_only=True, rename={"agent": "ref", "input": "in"}):
    """Dispatch `input` to `agent`; write its value to `out`. `retry` replaces the agent's whole policy.

    `skip_if` must be a boolean, else `NonBoolCond`; where it is true nothing is dispatched, written or counted.
    """

    agent: str
    input: Expr
    out: Path
    retry: RetryPolicy | None = None
    timeout: float | None = None
    """Seconds for one attempt."""
    skip_if: Expr | None = None


class Seq(Node, frozen=True, tag="seq", kw_only=True):
    """Children in order on one ctx."""

    children: tuple[Node, ...] = ()


class Branch(Node, frozen=True, tag="branch", kw_only=True, rename={"otherwise": "else"}):
    """`cond` must be a boolean, else `NonBoolCond`."""

    cond: Expr
    then: Node
    otherwise: Node = Seq()


class Case(Struct, frozen=True):
    """One arm of a switch: taken when the switch's value equals `value`."""

    value: Any
    body: Node


class Switch(Node, frozen=True, tag="switch", kw_only=True):
    """The first case whose value equals `on`; without one, `default`; without that, an error."""

    on: Expr
    cases: tuple[Case, ...]
    default: Node | None = None


class Loop(Node, frozen=True, tag="loop", kw_only=True):
    """`counter` = 0; while `counter < max` and `cond` is truthy: body, `counter` + 1."""

    counter: Path
    cond: Expr
    body: Node
    max: int


class Fanout(Node, frozen=True, tag="fanout", kw_only=True):
    """`body` once for each item, each lane on a ctx of its own with the item at `bind`.

    A lane's result is `select` evaluated in the lane, by default its whole ctx. `all`: results in item
    order, the first error fails it. `any`: the first success, all failed raises the last error. `race`: the
    first to settle. `all_settled`: `{"status":"fulfilled","value"}` or `{"status":"rejected","reason"}`.
    Without items: `[]`, but an error for `any` and `race`.
    """

    items: Expr
    bind: Path
    body: Node
    join: Join = "all"
    out: Path
    max_concurrency: int | None = None
    select: Expr | None = None


class Parallel(Node, frozen=True, tag="parallel", kw_only=True):
    """Different branches, each on a ctx of its own; results an object by name (`any`, `race`: one member)."""

    branches: dict[str, Node]
    join: Join = "all"
    out: Path
    select: Expr | None = None


class Try(Node, frozen=True, tag="try", kw_only=True):
    """On an error in `body` its ctx writes are undone, the error text goes to `err_at`, `catch` runs."""

    body: Node
    catch: Node
    err_at: Path | None = None


class Let(Node, frozen=True, tag="let", kw_only=True):
    """Write `value` at `at` (published as `assign` before flow.ir 0.3)."""

    at: Path
    value: Expr


class Ask(Node, frozen=True, tag="ask", kw_only=True):
    """Ask somebody outside and write the answer to `out`.

    `audience` are alternatives: `role:senior`, `seat:NAME` or `principal:NAME`. `schema` is a JSON Schema that
    the answer must fit. After `deadline` seconds the node fails, or goes on with the `value` of `on_timeout`.
    An `approval` is for another principal than the run's starter, unless `allow_self`.
    """

    question: Expr
    audience: tuple[str, ...]
    schema: dict[str, Any] | None = None
    deadline: float | None = None
    on_timeout: OnTimeout = "fail"
    approval: bool = False
    allow_self: bool = False
    out: Path


class Wait(Node, frozen=True, tag="wait", kw_only=True, rename={"for_": "for"}):
    """Wait for a time or a named signal: one of `for_` (seconds), `until` (a moment) and `signal`.

    A signal's value is written to `out`; a time has none.
    """

    for_: Expr | None = None
    until: Expr | None = None
    signal: str | None = None
    out: Path | None = None


NODE_TYPES: tuple[type[Node], ...] = (Step, Seq, Branch, Switch, Loop, Fanout, Parallel, Try, Let, Ask, Wait)
