"""Whether the `module:callable` agents of a Blueprint's file are there: by their text, or by importing them."""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from skep.cli.python_names import wrong_with
from skep.errors import BlueprintError
from skep.flow.load import Loaded
from skep.flow.problems import Problem, did_you_mean, inside
from skep.limits import DEFAULT_LIMITS
from skep.values import type_of
from skep.workers.python.load import REFERENCE, load_callable

Wrong = tuple[str, str | None]
"""What is wrong with a reference, and its fix."""


def check_callables(loaded: Loaded) -> list[Problem]:
    """A problem for each agent whose `callable` is neither beside the Blueprint nor installed.

    Nothing is imported, and only what is certain is told: of an installed package just its top level is looked
    up, and where a module makes its names while it runs none is called missing.
    """
    return _problems(loaded, _wrong)


def import_callables(loaded: Loaded) -> list[Problem]:
    """A problem for each agent whose `callable` a run could not load: runs the modules, as a run does."""
    with redirect_stdout(sys.stderr):  # theirs is not the command's output
        return _problems(loaded, _wrong_when_imported)


def _problems(loaded: Loaded, wrong: Callable[[str, Path], Wrong | None]) -> list[Problem]:
    problems: list[Problem] = []
    for number, name, reference in _references(loaded):
        found = wrong(reference, loaded.base_dir)
        if found is not None:
            place = inside(inside(inside("agents", number), "spec"), "callable")
            problems.append(Problem(place, "E-CALLABLE", f"agent {name!r}: {found[0]}", found[1]))
    return problems


def _references(loaded: Loaded) -> Iterator[tuple[int, str, str]]:
    for number, agent in enumerate(loaded.blueprint.agents):
        reference: Any = agent.spec.get("callable") if type_of(agent.spec) is dict else None
        # What is malformed, the kind's own check tells.
        if agent.kind == "python" and isinstance(reference, str) and REFERENCE.fullmatch(reference):
            yield number, agent.name, reference


def _wrong_when_imported(reference: str, base: Path) -> Wrong | None:
    try:
        load_callable(reference, base)
    except BlueprintError as error:
        return error.what, error.fix
    return None


def _wrong(reference: str, base: Path) -> Wrong | None:
    module, _, attributes = reference.partition(":")
    first, *rest = module.split(".")
    found = _beside(first, rest, base)
    if found is not None:
        return _wrong_in(found, attributes.split("."))
    if not _lies_beside(first, rest, base) and (first in sys.modules or find_spec(first) is not None):
        return None
    fix = did_you_mean(first, _modules(base)) or f"put {first}.py beside the Blueprint, or install it"
    return f"module {module!r} was not found beside the Blueprint or among what is installed", fix


def _lies_beside(first: str, rest: list[str], base: Path) -> bool:
    """Whether a run looks for the module in `base` alone."""
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


def _wrong_in(file: Path, names: list[str]) -> Wrong | None:
    if file.name == "__init__.py" and _beside(names[0], [], file.parent) is not None:
        return None  # a module of a package is its attribute once somebody has imported it
    try:
        if file.stat().st_size > DEFAULT_LIMITS.max_blueprint_bytes:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of the agents' text are for its own run
            tree = ast.parse(file.read_bytes())
        return wrong_with(tree, names, file.name)
    except SyntaxError as error:
        return f"{file.name}, line {error.lineno or 1}: {error.msg}", "correct it there"
    except OSError as error:
        return f"cannot read {file.name}: {error.strerror}", "make it readable"
    except (ValueError, RecursionError, MemoryError):
        return f"{file.name} cannot be read as Python", "correct it there"


_LISTED = 500
