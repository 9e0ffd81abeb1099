"""Random paths, expressions and flows, as Hypothesis strategies, for laws of whatever reads or rewrites them.

They are well formed, not sensible: most would fail when run. Hypothesis is imported when one is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from msgspec.structs import replace

from skep.core.retry import Backoff, FailureKind, RetryPolicy
from skep.flow import expr as ops
from skep.flow import nodes
from skep.flow.nodes import Join, Node
from skep.flow.path import Path
from skep.flow.read_scalars import RESERVED_IDS
from skep.flow.waiting import SIGNAL_NAME

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from skep.flow.expr import Expr

_BINARY = (ops.Eq, ops.Ne, ops.Lt, ops.Lte, ops.Gt, ops.Gte, ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Mod)
_UNARY = (ops.Not, ops.Exists, ops.Len, ops.Keys)
_VARIADIC = (ops.And, ops.Or, ops.ArrayExpr, ops.Concat, ops.Min, ops.Max)


def _hypothesis() -> Any:
    """Hypothesis' strategies, when one is asked for: the rest of the kit works without it."""
    from hypothesis import strategies  # noqa: PLC0415 - see above

    return strategies


def json_values(max_leaves: int = 8) -> SearchStrategy[Any]:
    """Values that `skep.values.encode` accepts."""
    st = _hypothesis()
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**64 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
    )

    def grow(inner: SearchStrategy[Any]) -> SearchStrategy[Any]:
        return st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)

    return st.recursive(scalars, grow, max_leaves=max_leaves)


def paths() -> SearchStrategy[Path]:
    """Paths with plain and odd names, and indices of either sign."""
    st = _hypothesis()
    plain = st.sampled_from(["a", "b", "verdict", "round_2"])
    segment = st.one_of(plain, plain, st.text(max_size=4), st.integers(-3, 3))
    return st.builds(Path, st.lists(segment, max_size=4).map(tuple))


def exprs(max_leaves: int = 6) -> SearchStrategy[Expr]:
    """Expressions with every op."""
    st = _hypothesis()

    leaves = st.builds(ops.PathExpr, paths()) | st.builds(ops.Lit, json_values(4))

    def grow(inner: SearchStrategy[Expr]) -> SearchStrategy[Expr]:
        some = st.lists(inner, min_size=1, max_size=3).map(tuple)
        return st.one_of(
            *(st.builds(kind, inner, inner) for kind in _BINARY),
            *(st.builds(kind, inner) for kind in _UNARY),
            *(st.builds(kind, some) for kind in _VARIADIC),
            st.builds(ops.In, inner, inner),
            st.builds(ops.Index, inner, inner),
            st.builds(ops.ObjectExpr, st.dictionaries(st.text(max_size=4), inner, max_size=3)),
            st.builds(_format, st.lists(st.text("ab{} ", max_size=3), min_size=4, max_size=4), some),
        )

    return st.recursive(leaves, grow, max_leaves=max_leaves)


def _format(texts: list[str], args: tuple[Expr, ...]) -> ops.Format:
    escaped = [text.replace("{", "{{").replace("}", "}}") for text in texts]
    return ops.Format("{}".join(escaped[: len(args) + 1]), args)


def flows(max_leaves: int = 6) -> SearchStrategy[Node]:
    """Flows with every node and every field."""
    st = _hypothesis()

    expr, path, join = exprs(3), paths(), st.sampled_from(get_args(Join))
    many = st.none() | st.integers(1, 9)
    steps = st.builds(
        nodes.Step,
        agent=st.text(min_size=1, max_size=6),
        input=expr,
        out=path,
        retry=st.none() | _retries(),
        timeout=st.none() | st.floats(0.001, 1e9),
        skip_if=st.none() | expr,
    )
    lets = st.builds(nodes.Let, at=path, value=expr)
    signal = st.from_regex(SIGNAL_NAME, fullmatch=True)
    waits = st.one_of(
        st.builds(nodes.Wait, for_=expr),
        st.builds(nodes.Wait, until=expr),
        st.builds(nodes.Wait, signal=signal, out=st.none() | path),
    )

    def grow(inner: SearchStrategy[Node]) -> SearchStrategy[Node]:
        maybe = st.none() | inner
        case = st.builds(nodes.Case, st.integers(-9, 9) | st.text(max_size=3), inner)
        cases = st.lists(case, min_size=1, max_size=3, unique_by=_case_value).map(tuple)
        return st.one_of(
            st.builds(_seq, st.lists(inner, max_size=3), st.lists(_names(), max_size=3, unique=True)),
            st.builds(nodes.Branch, cond=expr, then=inner, otherwise=inner),
            st.builds(nodes.Switch, on=expr, cases=cases, default=maybe),
            st.builds(nodes.Loop, counter=path, cond=expr, body=inner, max=st.integers(0, 9)),
            st.builds(
                nodes.Fanout,
                items=expr,
                bind=path,
                body=inner,
                join=join,
                out=path,
                max_concurrency=many,
                select=st.none() | expr,
            ),
            st.builds(
                nodes.Parallel,
                branches=st.dictionaries(_names(), inner, min_size=1, max_size=3),
                join=join,
                out=path,
                select=st.none() | expr,
            ),
            st.builds(nodes.Try, body=inner, catch=inner, err_at=st.none() | path),
        )

    return st.recursive(steps | lets | _asks(expr, path) | waits, grow, max_leaves=max_leaves)


def _asks(expr: SearchStrategy[Expr], path: SearchStrategy[Path]) -> SearchStrategy[Node]:
    st = _hypothesis()

    one = st.sampled_from(["role:senior", "seat:lead", "seat:a b", "principal:ann@example.org"])
    return st.builds(
        nodes.Ask,
        question=expr,
        audience=st.lists(one, min_size=1, max_size=3).map(tuple),
        schema=st.none() | st.dictionaries(st.text(max_size=4), json_values(3), max_size=2),
        deadline=st.none() | st.floats(0.001, 1e9),
        on_timeout=st.just("fail") | st.fixed_dictionaries({"value": json_values(3)}),
        approval=st.booleans(),
        allow_self=st.booleans(),
        out=path,
    )


def _case_value(case: nodes.Case) -> str:
    return repr(case.value)


def _seq(children: list[Node], ids: list[str]) -> nodes.Seq:
    named = [replace(child, id=name) for child, name in zip(children, ids, strict=False)]
    return nodes.Seq(children=(*named, *children[len(named) :]))


def _names() -> SearchStrategy[str]:
    st = _hypothesis()
    return st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,8}", fullmatch=True).filter(_is_free)


def _is_free(name: str) -> bool:
    return name not in RESERVED_IDS


def _retries() -> SearchStrategy[RetryPolicy]:
    st = _hypothesis()

    seconds = st.floats(0, 1e9)
    kinds = st.lists(st.sampled_from(get_args(FailureKind)), max_size=3).map(tuple)
    backoffs = st.builds(Backoff, initial=seconds, factor=seconds, max=seconds)
    return st.builds(RetryPolicy, max_attempts=st.integers(1, 99), backoff=backoffs, on=kinds)
