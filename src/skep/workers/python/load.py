"""`module:callable` of a trusted Blueprint: found beside it, or among what is installed."""

from __future__ import annotations

import importlib
import re
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_file_location
from inspect import getattr_static
from pathlib import Path
from types import ModuleType
from typing import Any

from skep.errors import BlueprintError
from skep.flow.problems import did_you_mean
from skep.values import digest
from skep.workers.completion import error_text

REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")

MEND = "correct it there; a module is run when it is imported"

_owners: dict[str, Path] = {}
"""Plain module names that came with a Blueprint's import, and the folder each was found in."""


def load_callable(reference: str, base_dir: str | Path | None = None) -> Callable[..., Any]:
    """The callable that `reference` (such as `agents:review` or `pkg.mod:Class.method`) names.

    A module beside the Blueprint, in `base_dir`, comes first. It is loaded once a process under a name of its
    own, so equal names in different folders do not mix. `base_dir` is on the import path only meanwhile.

    Raises:
        BlueprintError: no such module or attribute, not callable, or the import raised.
    """
    if REFERENCE.fullmatch(reference) is None:
        raise BlueprintError(
            f"{reference!r} is no callable", fix="write module:function or package.module:function"
        )
    module_name, _, attributes = reference.partition(":")
    found: Any = _module(module_name, Path(base_dir).resolve() if base_dir is not None else None)
    reached = f"{module_name}:"
    for attribute in attributes.split("."):
        found = _attribute(found, attribute, reached)
        reached += attribute if reached.endswith(":") else f".{attribute}"
    if not callable(found):
        raise BlueprintError(f"{reference} is {type(found).__name__}, not callable", fix="name a function")
    return found


def _attribute(found: Any, name: str, reached: str) -> Any:
    """An attribute of what was `reached`; finding it may run code (`__getattr__`)."""
    try:
        return getattr(found, name)
    except AttributeError as error:
        known = [
            one
            for one in dir(found)
            if not one.startswith("_") and callable(getattr_static(found, one, None))
        ]
        fix = did_you_mean(name, known) or f"name something that {reached.removesuffix(':')} has"
        if not isinstance(found, type | ModuleType) and callable(found):
            fix = f"{reached} is callable: name it as it is"
        raise BlueprintError(f"{reached}: there is no {name!r} in it", fix=fix) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise BlueprintError(f"{name!r} of {reached} raised {error_text(error)}", fix=MEND) from error


def _module(name: str, base: Path | None) -> ModuleType:
    try:
        if base is None:
            return importlib.import_module(name)
        with _on_path(base):
            spec = _spec_beside(name, base)
            return importlib.import_module(name) if spec is None else _load(spec, name)
    except BlueprintError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            place = f"in {base} or " if base is not None else ""
            message = f"module {name!r} was not found {place}among what is installed"
            first = _top(name)
            fix = f"put {first}.py beside the Blueprint, install it, or correct the name"
            raise BlueprintError(message, fix=fix) from error
        fix = f"install {error.name}, or correct the import"
        raise BlueprintError(f"importing {name} raised {_what_raised(error)}", fix=fix) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise BlueprintError(f"importing {name} raised {_what_raised(error)}", fix=MEND) from error


def _spec_beside(name: str, base: Path) -> ModuleSpec | None:
    """A spec under a unique name for the first part of `name`, when that lies in `base`."""
    first, _, rest = name.partition(".")
    unique = f"_skep_{digest(str(base).encode())[:16]}_{first}"
    file, package = base / f"{first}.py", base / first
    if (package / "__init__.py").is_file():
        return spec_from_file_location(
            unique, package / "__init__.py", submodule_search_locations=[str(package)]
        )
    if file.is_file():
        return spec_from_file_location(unique, file)
    if rest and package.is_dir():
        spec = ModuleSpec(unique, None, is_package=True)
        spec.submodule_search_locations = [str(package)]
        return spec
    return None


def _load(spec: ModuleSpec, name: str) -> ModuleType:
    if spec.name not in sys.modules:
        module = module_from_spec(spec)
        sys.modules[spec.name] = module
        try:
            if spec.loader is not None:
                spec.loader.exec_module(module)
        except BaseException:
            for loaded in [key for key in sys.modules if key.partition(".")[0] == spec.name]:
                del sys.modules[loaded]
            raise
    _, dot, rest = name.partition(".")
    return importlib.import_module(f"{spec.name}{dot}{rest}")


@contextmanager
def _on_path(base: Path) -> Generator[None]:
    """`base` first on the import path, and nothing in sight that came from another Blueprint's folder."""
    foreign = {name: module for name, module in sys.modules.items() if _owners.get(_top(name), base) != base}
    for name in foreign:
        del sys.modules[name]
    before = set(sys.modules)
    sys.path.insert(0, str(base))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        with suppress(ValueError):  # the imported code has taken it off
            sys.path.remove(str(base))
        ours = {
            _top(name) for name in set(sys.modules) - before if _lies_in(sys.modules.get(_top(name)), base)
        }
        clash = ours & {_top(name) for name in foreign}
        _owners.update(dict.fromkeys(ours - clash, base))
        for name in [name for name in sys.modules if _top(name) in clash]:
            del sys.modules[name]
        sys.modules.update(foreign)
    if clash:
        name = min(clash)
        raise BlueprintError(
            f"{base} and {_owners[name]} both have a module {name!r}, and Python keeps only one of a name",
            fix="rename one, or put the modules of each Blueprint into a package of its own name",
        )


def _top(name: str) -> str:
    return name.partition(".")[0]


def _lies_in(module: ModuleType | None, base: Path) -> bool:
    """Whether a top-level module was found directly in `base`."""
    file = getattr(module, "__file__", None)
    if file is None:
        return False
    path = Path(file)
    return base in ((path.parent.parent,) if path.stem == "__init__" else (path.parent,))


def _what_raised(error: BaseException) -> str:
    """`ValueError: bad (agents.py, line 3)`: the innermost place outside the import machinery."""
    text = error_text(error)
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename
    ]
    if len(frames) < 2 or isinstance(error, SyntaxError):  # noqa: PLR2004 - the first frame is our own
        return text
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"
