"""Whether the `module:callable` agents of a Blueprint's file exist, told without importing anything."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from skep.flow.load import Loaded
from skep.flow.problems import Problem, did_you_mean, inside
from skep.limits import DEFAULT_LIMITS
from skep.values import type_of
from skep.workers.python.load import REFERENCE


def check_callables(loaded: Loaded) -> list[Problem]:
    """A problem for each agent whose `callable` is neither beside the Blueprint nor installed.

    Only what is certain is reported: of an installed package just its top level is looked up, and of a module
    that makes its names while it runs none is called missing.
    """
    problems: list[Problem] = []
    for number, agent in enumerate(loaded.blueprint.agents):
        reference: Any = agent.spec.get("callable") if type_of(agent.spec) is dict else None
        if agent.kind != "python" or not isinstance(reference, str) or not REFERENCE.fullmatch(reference):
            continue  # the kind's own check tells what is malformed
        wrong = _wrong(reference, loaded.base_dir)
        if wrong is not None:
            place = inside(inside(inside("agents", number), "spec"), "callable")
            message = f"agent {agent.name!r}: {wrong[0]}"
            problems.append(Problem(place, "E-CALLABLE", message, wrong[1]))
    return problems


def _wrong(reference: str, base: Path) -> tuple[str, str | None] | None:
    """What is wrong with `reference`, and its fix."""
    module, _, attributes = reference.partition(":")
    first, *rest = module.split(".")
    found = _beside(first, rest, base)
    if found is not None:
        return _wrong_in(found, attributes.split(".")[0])
    if not _lies_beside(first, rest, base) and (first in sys.modules or find_spec(first) is not None):
        return None
    fix = did_you_mean(first, _modules(base)) or f"put {first}.py beside the Blueprint, or install it"
    return f"module {module!r} was not found beside the Blueprint or among what is installed", fix


def _lies_beside(first: str, rest: list[str], base: Path) -> bool:
    """Whether `load` looks for the module in `base` alone."""
    package = base / first
    return (
        (package / "__init__.py").is_file()
        or (base / f"{first}.py").is_file()
        or (bool(rest) and package.is_dir())
    )


def _beside(first: str, rest: list[str], base: Path) -> Path | None:
    """The file of a module in `base`, packages before modules as Python has it."""
    *packages, name = (first, *rest)
    folder = base.joinpath(*packages)
    files = (folder / name / "__init__.py", folder / f"{name}.py")
    return next((file for file in files if file.is_file()), None)


def _modules(base: Path) -> list[str]:
    entries = islice(base.iterdir(), _LISTED)
    return [entry.stem for entry in entries if entry.suffix == ".py" or (entry / "__init__.py").is_file()]


def _wrong_in(file: Path, name: str) -> tuple[str, str | None] | None:
    try:
        if file.stat().st_size > DEFAULT_LIMITS.max_blueprint_bytes:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of the agents' text are for its own run
            tree = ast.parse(file.read_bytes())
    except SyntaxError as error:
        return f"{file.name}, line {error.lineno or 1}: {error.msg}", "correct it there"
    except OSError as error:
        return f"cannot read {file.name}: {error.strerror}", "make it readable"
    except (ValueError, RecursionError, MemoryError):
        return f"{file.name} cannot be read as Python", "correct it there"
    names = _names(tree)
    if name in names or names & _DYNAMIC:
        return None
    public = sorted(known for known in names if not known.startswith("_"))
    fix = did_you_mean(name, public) or f"define {name} in {file.name}"
    return f"there is no {name!r} in {file.name}", fix


def _names(tree: ast.Module) -> set[str]:
    """What the module's own level defines, and which of `_DYNAMIC` it uses anywhere."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & _DYNAMIC
    for node in _top_level(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _top_level(node: ast.AST) -> Iterator[ast.AST]:
    """Everything outside the bodies of functions and classes."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


_DYNAMIC = frozenset({"*", "__getattr__", "globals", "exec", "setattr"})
"""With one of these, a module may have names that its text does not show."""
_LISTED = 500
