"""What is wrong with a flow whatever its input, as its constants and operators show."""

from __future__ import annotations

from collections.abc import Iterator

from skep.flow import expr as ops
from skep.flow import nodes
from skep.flow.expr import Expr
from skep.flow.lint_asking import lint_wait
from skep.flow.nodes import Join
from skep.flow.problems import Problem, inside
from skep.flow.walk import Item
from skep.values import type_name

_BOOLEAN = (ops.Eq, ops.Ne, ops.Lt, ops.Lte, ops.Gt, ops.Gte, ops.Not, ops.Exists, ops.And, ops.Or, ops.In)
_NUMBER = (ops.Add, ops.Sub, ops.Mul, ops.Div, ops.Mod, ops.Len)
_TYPES: dict[type[Expr], frozenset[str]] = {
    **dict.fromkeys(_BOOLEAN, frozenset({"boolean"})),
    **dict.fromkeys(_NUMBER, frozenset({"number"})),
    ops.Keys: frozenset({"array"}),
    ops.ArrayExpr: frozenset({"array"}),
    ops.ObjectExpr: frozenset({"object"}),
    ops.Format: frozenset({"string"}),
    ops.Concat: frozenset({"string", "array"}),
    ops.Min: frozenset({"number", "string"}),
    ops.Max: frozenset({"number", "string"}),
}


def lint_item(item: Item, place: str) -> Iterator[Problem]:
    """The problems of one node or expression, without those of what it holds."""
    match item:
        case nodes.Branch(cond=cond) if _never(cond, "boolean"):
            fix = "compare it, as in $.n > 0, or use exists($.n)"
            yield Problem(inside(place, "cond"), "E-COND-NOT-BOOL", f"cond is always {_shown(cond)}", fix)
        case nodes.Step(skip_if=cond) if cond is not None and _never(cond, "boolean"):
            fix = "compare it, as in $.n > 0, or use exists($.n)"
            yield Problem(
                inside(place, "skip_if"), "E-COND-NOT-BOOL", f"skip_if is always {_shown(cond)}", fix
            )
        case nodes.Wait():
            yield from lint_wait(item, place)
        case nodes.Loop(max=0):
            yield Problem(inside(place, "max"), "W-LOOP-NEVER", "the body never runs", severity="warning")
        case nodes.Switch(cases=cases):
            for number, case in enumerate(cases):
                yield from _case_text(case.value, inside(inside(inside(place, "cases"), number), "value"))
        case nodes.Fanout(items=items) if _never(items, "array"):
            message = f"items is always {_shown(items)}, not an array"
            yield Problem(inside(place, "items"), "E-ITEMS", message, "name an array, as in $.files")
        case nodes.Fanout(items=items, join=join) if _is_empty(items):
            yield from _empty_join(join, place)
        case ops.Div(rhs=ops.Lit(value=zero)) | ops.Mod(rhs=ops.Lit(value=zero)) if _is_zero(zero):
            yield Problem(
                inside(place, "rhs"), "E-DIV-ZERO", "division by the constant 0", "divide by something else"
            )
        case _:
            pass


def _never(expr: Expr, wanted: str) -> bool:
    possible = _possible(expr)
    return possible is not None and wanted not in possible


def _possible(expr: Expr) -> frozenset[str] | None:
    """The types that a value of `expr` may have; `None` if that depends on the ctx."""
    return frozenset({type_name(expr.value)}) if isinstance(expr, ops.Lit) else _TYPES.get(type(expr))


def _shown(expr: Expr) -> str:
    return " or ".join(sorted(_possible(expr) or ()))


def _is_empty(items: Expr) -> bool:
    return (isinstance(items, ops.Lit) and items.value == []) or (
        isinstance(items, ops.ArrayExpr) and not items.args
    )


def _case_text(value: object, place: str) -> Iterator[Problem]:
    """A constant that was likely meant as an expression, as `value` is one elsewhere."""
    if not isinstance(value, str):
        return
    message = f"a case's value is a constant, so this is the text {value[:_SHOWN_CHARS]!r}"
    if value.startswith("$"):
        fix = "write the constant itself; to compare with a value of the ctx, use branch"
        yield Problem(place, "W-CASE-TEXT", message, fix, "warning")
    elif len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        message += ", quotes included"
        fix = f"write value: {value[1:-1][:_SHOWN_CHARS]}"
        yield Problem(place, "W-CASE-TEXT", message, fix, "warning")


_SHOWN_CHARS = 60


def _is_zero(value: object) -> bool:
    return type(value) in (int, float) and value == 0


def _empty_join(join: Join, place: str) -> Iterator[Problem]:
    if join in ("any", "race"):
        fix = "give it lanes, or join: all"
        yield Problem(inside(place, "join"), "E-EMPTY-JOIN", f"{join} has nothing to choose from", fix)
