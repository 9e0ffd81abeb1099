"""What the text of a Python module says of a dotted name. Nothing is run; only what is certain is told."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType, ModuleType

from skep.flow.problems import did_you_mean

Function = ast.FunctionDef | ast.AsyncFunctionDef
Holder = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
"""What may have attributes that its text shows."""


def wrong_with(tree: ast.Module, names: list[str], file: str) -> tuple[str, str] | None:
    """Why `names`, each an attribute of the one before, lead to nothing callable, and the fix; `None` if they may.

    >>> wrong_with(ast.parse("class Group: ..."), ["Group", "make"], "agents.py")
    ("there is no 'make' in Group of agents.py", 'define make in Group of agents.py')
    """
    if any(isinstance(node, ast.Name) and node.id in _DYNAMIC for node in ast.walk(tree)):
        return None
    return _wrong_in(tree, names, file, _set_from_anywhere(tree))


def _wrong_in(holder: Holder, names: list[str], where: str, elsewhere: set[str]) -> tuple[str, str] | None:
    name, *rest = names
    bound = {} if isinstance(holder, Function) else _bound(holder)
    if name not in bound:
        certain = name not in elsewhere and "*" not in bound and not _inherits(holder, name)
        return _missing(name, list(bound), where) if certain else None
    node, what = bound[name], f"{name} of {where}"
    if rest:
        return _wrong_in(node, rest, what, elsewhere) if isinstance(node, Holder) else None
    if isinstance(node, _NEVER_CALLABLE):
        return f"{what} is a value, not callable", "name a function"
    return None


def _missing(name: str, known: list[str], where: str) -> tuple[str, str]:
    public = sorted(other for other in known if not other.startswith("_"))
    return f"there is no {name!r} in {where}", did_you_mean(name, public) or f"define {name} in {where}"


def _inherits(holder: Holder, name: str) -> bool:
    """Whether `holder` may have an attribute that its own text does not show."""
    if isinstance(holder, ast.Module):
        return hasattr(ModuleType, name)
    if holder.decorator_list or (isinstance(holder, ast.ClassDef) and (holder.bases or holder.keywords)):
        return True
    return hasattr(type if isinstance(holder, ast.ClassDef) else FunctionType, name)


def _bound(holder: ast.Module | ast.ClassDef) -> dict[str, ast.AST | None]:
    """What each name is bound to at the level of `holder`; `None` where the text leaves that open."""
    bound: dict[str, ast.AST | None] = {}
    for name, node in _bindings(holder):
        bound[name] = None if name in bound else node
    return bound


def _bindings(holder: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.AST | None]]:
    values: dict[ast.AST, ast.AST] = {}
    for node in _level(holder):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name, node
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    yield alias.asname or alias.name.partition(".")[0], None
            case ast.Assign(targets=[ast.Name() as target]):
                values[target] = node.value
            case ast.AnnAssign(target=ast.Name() as target, value=ast.expr() as value):
                values[target] = value
            case ast.Name(ctx=ast.Store()):
                yield node.id, values.get(node)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, None
            case _:
                pass


def _level(holder: ast.Module | ast.ClassDef) -> Iterator[ast.AST]:
    """Every node outside the bodies of functions and inner classes, parents before children."""
    waiting: list[ast.AST] = list(holder.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def _set_from_anywhere(tree: ast.Module) -> set[str]:
    """Names that code inside functions, or outside the holder, may set as well."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            found.update(node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return found


_DYNAMIC = frozenset({"__getattr__", "globals", "locals", "vars", "exec", "setattr"})
"""With one of these a module may have names that its text does not show."""
_NEVER_CALLABLE = (
    ast.Constant,
    ast.JoinedStr,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
