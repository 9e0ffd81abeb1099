"""Jinja with everything taken away that a prompt does not need.

Three fences: the syntax tree is checked against an allow-list, names and methods go through our own look-up,
and every loop turn, operator and filter pays from a budget, so that neither time nor memory can run away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import TracebackType
from typing import Any

from jinja2 import StrictUndefined, Template, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateSyntaxError, UndefinedError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from skep.errors import SkepError, TemplateError
from skep.flow.problems import did_you_mean
from skep.flow.prompt_filters import BUDGET_SLOT, FILTERS, ITEM, Budget, budget_of, items_of, shown, weight
from skep.limits import Limits
from skep.values import INT_MAX, INT_MIN, type_name, type_of

_METHODS: dict[type[object], frozenset[str]] = {
    dict: frozenset({"get", "items", "keys", "values"}),
    str: frozenset({"endswith", "lower", "startswith", "strip", "upper"}),
}
_LOOP = frozenset(
    {"first", "index", "index0", "last", "length", "nextitem", "previtem", "revindex", "revindex0"}
)
_TESTS = frozenset(
    {"boolean", "defined", "even", "false", "float", "integer", "mapping", "none", "number", "odd", "string"}
    | {"sequence", "true", "undefined"}
)


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, Undefined):
            return getattr(obj, attribute)
        kind = type_of(obj)
        if kind is dict and attribute in obj:
            return obj[attribute]
        if attribute in _METHODS.get(kind, ()) or (kind is LoopContext and attribute in _LOOP):
            return getattr(obj, attribute)
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Undefined):
            return obj[argument]
        if type_of(obj) in (dict, list, tuple, str):
            try:
                return obj[argument]
            except (TypeError, LookupError):
                return self.undefined(obj=obj, name=argument)
        return self.getattr(obj, str(argument))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        owner: Any = getattr(obj, "__self__", None)
        if getattr(obj, "__name__", "") not in _METHODS.get(type_of(owner), ()):
            raise SecurityError("only methods of text and objects can be called")
        budget_of(context).spend(ITEM + (len(owner) if type_of(owner) is str else 0))
        return obj(*args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        for side in (left, right):
            if isinstance(side, Undefined):
                str(side)  # raises
        kinds = type_of(left), type_of(right)
        if operator == "+" and kinds in ((str, str), (list, list)):
            budget_of(context).text_of(len(left) + len(right))
            return left + right
        if any(kind not in (int, float) for kind in kinds) or operator == "**":
            raise TypeError(f"{operator} is not for {type_name(left)} and {type_name(right)}")
        result = super().call_binop(context, operator, left, right)
        if type(result) is int and not INT_MIN <= result <= INT_MAX:
            raise OverflowError("integer outside 64 bits")
        return result


@cache
def _environment() -> _Environment:
    environment = _Environment(
        undefined=StrictUndefined, autoescape=False, optimized=False, cache_size=0, finalize=_printed
    )
    environment.globals.clear()
    filters: Any = environment.filters
    filters.clear()
    filters.update(FILTERS | {"_each": _each, "_operand": _operand, "_haystack": _haystack})
    for name in environment.tests.keys() - _TESTS:
        del environment.tests[name]
    return environment


@pass_context
def _printed(context: Context, value: Any) -> str:
    return shown(budget_of(context), value)


# -- what is put around loops and comparisons ----------------------------------------------------


@pass_context
def _each(context: Context, value: Any) -> Iterator[Any]:
    if isinstance(value, Undefined):
        str(value)  # raises
    budget = budget_of(context)
    for item in items_of(value):
        budget.spend(ITEM)
        yield item


@pass_context
def _operand(context: Context, value: Any) -> Any:
    if type_of(value) in (list, dict):
        raise TypeError(f"compare text and numbers, not an {type_name(value)}")
    budget_of(context).spend(ITEM + weight(value))
    return value


@pass_context
def _haystack(context: Context, value: Any) -> Any:
    budget_of(context).spend(ITEM if type_of(value) is dict else ITEM + weight(value))
    return value


# -- the syntax that is allowed ------------------------------------------------------------------

_ALLOWED: tuple[type[nodes.Node], ...] = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.With, nodes.Assign),
    *(nodes.Name, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.Keyword),
    *(nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Call, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Pos),
    *(nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod),
)


def _check(node: nodes.Node) -> None:
    """Refuse what a prompt may not use."""
    if not isinstance(node, _ALLOWED):
        _refuse(node, f"templates have no {_WORDS.get(type(node).__name__, type(node).__name__.lower())}")
    if isinstance(node, nodes.Getattr) and node.attr.startswith("_"):
        _refuse(node, f"access to {node.attr!r} is not allowed")
    if isinstance(node, (nodes.List, nodes.Dict)) or (isinstance(node, nodes.Tuple) and node.ctx == "load"):
        _check_constant(node)
    if isinstance(node, nodes.Call) and (
        not isinstance(node.node, nodes.Getattr) or node.dyn_args or node.dyn_kwargs
    ):
        _refuse(node, "only methods such as .items() can be called")
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        _refuse(node, f"no filter {node.name!r} ({did_you_mean(node.name, sorted(FILTERS))})")
    if isinstance(node, nodes.Test) and node.name not in _TESTS:
        _refuse(node, f"no test {node.name!r} ({did_you_mean(node.name, sorted(_TESTS))})")
    if isinstance(node, nodes.For) and node.recursive:
        _refuse(node, "loops cannot be recursive")
    for child in node.iter_child_nodes():
        _check(child)


_WORDS = {
    "Concat": "~ (write the parts one after another)",
    "Pow": "**",
    "AssignBlock": "set blocks",
    "CallBlock": "call blocks",
    "FilterBlock": "filter blocks",
    "Scope": "autoescape",
}


def _check_constant(node: nodes.Node) -> None:
    if node.find(nodes.Name) is not None:
        _refuse(node, "a list or object written in a template may hold constants only")


def _refuse(node: nodes.Node, what: str) -> None:
    raise TemplateSyntaxError(what, node.lineno)


def _fence(tree: nodes.Template) -> None:
    """Let loops and comparisons pay."""
    for loop in tree.find_all(nodes.For):
        loop.iter = _wrapped("_each", loop.iter)
    for access in tree.find_all(nodes.Getitem):
        if isinstance(access.arg, nodes.Slice):
            access.node = _wrapped("_haystack", access.node)
    for compare in list(tree.find_all(nodes.Compare)):
        compare.expr = _wrapped("_operand", compare.expr)
        for operand in compare.ops:
            guard = "_haystack" if operand.op in ("in", "notin") else "_operand"
            operand.expr = _wrapped(guard, operand.expr)


def _wrapped(name: str, node: Any) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


# -- compiling and rendering ---------------------------------------------------------------------


def compile_template(source: str, limits: Limits, where: str) -> Callable[[Mapping[str, Any]], Iterator[str]]:
    """A function from slots to the pieces of the text.

    Raises:
        TemplateError: with the line.
    """
    environment = _environment()
    try:
        tree = environment.parse(source)
        _check(tree)
        _fence(tree)
        code = environment.compile(tree)
        template = Template.from_code(environment, code, {})
    except TemplateSyntaxError as error:
        place = f"{where}:{error.lineno or 1}"
        raise TemplateError(f"template: {error.message}", where=place, fix=_SYNTAX) from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        fix = "nest less, and write shorter expressions"
        raise TemplateError(
            "template is too deeply nested or too large to compile", where=where, fix=fix
        ) from error
    return lambda slots: _pieces(template, slots, Budget(limits), where)


def _pieces(template: Template, slots: Mapping[str, Any], budget: Budget, where: str) -> Iterator[str]:
    context = template.new_context({**slots, BUDGET_SLOT: budget})
    try:
        yield from template.root_render_func(context)
    except SkepError:
        raise
    except Exception as error:  # whatever an expression of the template raises
        line = _line(template, error.__traceback__)
        known = f"variables here: {', '.join(sorted(slots)[:_SHOWN_SLOTS])}"[:_SHOWN_CHARS]
        fix = known if isinstance(error, UndefinedError) else _VALUES
        raise TemplateError(f"template: {error}", where=f"{where}:{line}", fix=fix) from error


_SYNTAX = "use fields of the step's input, and filters"
_VALUES = "look at what the step's input holds, or guard it with {% if ... %} or default(...)"
_SHOWN_SLOTS = 20
_SHOWN_CHARS = 300


def _line(template: Template, traceback: TracebackType | None) -> int:
    line = 1
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__jinja_template__") is template:
            line = template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return line
