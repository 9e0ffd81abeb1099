"""A document to a flow: every problem at once, each with its place, a stable code and a fix.

Read are the canonical form in every published spelling (`spellings`) and the form that people write in YAML
(`read_node`, `read_expr`), mixed as one likes. The codes stand in `codes`.
"""

from __future__ import annotations

from typing import Any

from skep.core.retry import RetryPolicy
from skep.flow import read_asking as asking
from skep.flow import read_expr as exprs
from skep.flow import read_node as nodes
from skep.flow import read_scalars as scalars
from skep.flow.expr import Expr
from skep.flow.grammar import Form
from skep.flow.nodes import Node
from skep.flow.path import Path
from skep.flow.problems import Problem
from skep.flow.reader import Reader, ReadForm
from skep.limits import DEFAULT_LIMITS, Limits

_FORMS: dict[Form, ReadForm] = {
    "expr": exprs.read_expression,
    "exprs": exprs.read_expressions,
    "some_exprs": exprs.read_some_expressions,
    "expr_map": exprs.read_expr_map,
    "path": exprs.read_path,
    "path_text": exprs.read_path_text,
    "template": exprs.read_template,
    "value": exprs.read_value,
    "node": nodes.read_node,
    "nodes": nodes.read_nodes,
    "node_map": nodes.read_node_map,
    "cases": nodes.read_cases,
    "text": scalars.read_text,
    "id": scalars.read_id,
    "join": scalars.read_join,
    "retry": scalars.read_retry,
    "seconds": scalars.read_seconds,
    "turns": scalars.read_turns,
    "lanes": scalars.read_lanes,
    "audience": asking.read_audience,
    "schema": asking.read_schema,
    "on_timeout": asking.read_on_timeout,
    "flag": asking.read_flag,
    "signal": asking.read_signal,
}


def read_flow(
    doc: Any, problems: list[Problem], place: str = "flow", limits: Limits = DEFAULT_LIMITS
) -> Node | None:
    r"""Read a flow; `None` when it has problems, which are then appended to `problems` in document order.

    >>> problems = []
    >>> read_flow({"step": "review", "in": "$.file", "otu": "$.verdict"}, problems)
    >>> print(*problems, sep="\n")
    flow.otu: E-FIELD-UNKNOWN step has no field 'otu' (did you mean 'out'?)
    flow: E-FIELD-MISSING step needs the field 'out' (write out: $.name)
    """
    return _read("node", doc, problems, place, limits)


def read_expr(
    doc: Any, problems: list[Problem], place: str = "expr", limits: Limits = DEFAULT_LIMITS
) -> Expr | None:
    """Read an expression, as `read_flow` does a flow."""
    return _read("expr", doc, problems, place, limits)


def read_path(
    doc: Any, problems: list[Problem], place: str = "path", limits: Limits = DEFAULT_LIMITS
) -> Path | None:
    """Read a path: a text such as `$.a.b`, or a canonical `path` op."""
    return _read("path", doc, problems, place, limits)


def read_retry(
    doc: Any, problems: list[Problem], place: str = "retry", limits: Limits = DEFAULT_LIMITS
) -> RetryPolicy | None:
    """Read a retry policy: `{max_attempts, backoff: {initial, factor, max}, on: [...]}`, all optional."""
    return _read("retry", doc, problems, place, limits)


def _read(form: Form, doc: Any, problems: list[Problem], place: str, limits: Limits) -> Any:
    reader, found = Reader(problems, limits, _FORMS), None
    try:
        found = reader.read(form, doc, place, limits.max_blueprint_depth)
    except RecursionError:  # the caller's own stack was nearly full
        reader.report(place, "E-DEPTH", "nested too deeply to be read from here")
    return found if reader.clean else None
