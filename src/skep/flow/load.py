"""Blueprints from files. The only module under `flow` that touches a disk.

A reference stays inside the Blueprint's folder after links are resolved, and stays there while it is opened:
the resolved path is walked folder by folder without following a link, so swapping one in does not help.
"""

from __future__ import annotations

import os
import stat
from errno import ELOOP, ENOTDIR, ENXIO
from pathlib import Path

from msgspec import Struct, structs

from skep.errors import BlueprintError, LimitExceeded
from skep.flow.blueprint import Blueprint, read_blueprint
from skep.flow.document import Document, Format, parse_document, plain_copy
from skep.flow.locate import line_of
from skep.flow.problems import Problem, as_error
from skep.flow.refs import expand
from skep.limits import DEFAULT_LIMITS, Limits

FORMATS: dict[str, Format] = {".json": "json", ".yaml": "yaml", ".yml": "yaml"}

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_OPEN_FILE = _OPEN | os.O_NONBLOCK  # a FIFO opens at once, and is then seen to be no regular file
_OPEN_FOLDER = _OPEN | os.O_DIRECTORY


class Loaded(Struct, frozen=True):
    """A Blueprint from a file. `base_dir` is the folder where it really lies: absolute, links resolved."""

    blueprint: Blueprint
    base_dir: Path
    path: Path
    document: Document
    """As written, before references were expanded."""

    def located(self, problems: list[Problem]) -> list[Problem]:
        """The same problems with the lines where they stand in the file, in its order."""
        located = [_located(self.document, problem) for problem in problems]
        return sorted(located, key=lambda problem: problem.line or 0)


def load_blueprint(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> Loaded:
    """Read a Blueprint from a `.json`, `.yaml` or `.yml` file, `$file` and `$agent_md` expanded.

    Raises:
        BlueprintError: no such file, not readable as a Blueprint; with every problem found in it.
        LimitExceeded: too large or too deep.
    """
    where, given = str(path), Path(path)
    form = FORMATS.get(given.suffix.lower())
    if form is None:
        raise BlueprintError(
            f"unknown format {given.suffix!r}", where=where, fix=f"name the file {', '.join(FORMATS)}"
        )
    real = Path(os.path.realpath(given))
    try:
        data = read_inside(real.parent, real.name, limits)
    except BlueprintError as error:
        raise BlueprintError(error.what, where=where, fix=error.fix) from error
    document = parse_document(data, form, limits, where=where)
    problems: list[Problem] = []
    blueprint = _read(document, real.parent, len(data), problems, limits)
    if blueprint is None:
        raise as_error([_located(document, problem) for problem in problems], where)
    return Loaded(blueprint, real.parent, real, document)


def _read(
    document: Document, base: Path, size: int, problems: list[Problem], limits: Limits
) -> Blueprint | None:
    def read(relative: str) -> bytes:
        return read_inside(base, relative, limits)

    expanded = expand(document.value, read, problems, limits, size=size)
    return None if problems else read_blueprint(plain_copy(expanded, limits), problems, limits)


def _located(document: Document, problem: Problem) -> Problem:
    return structs.replace(problem, line=line_of(document, problem.place))


# -- files -------------------------------------------------------------------------------------


def read_inside(base: Path, relative: str, limits: Limits = DEFAULT_LIMITS) -> bytes:
    """The bytes of a regular file below `base`, a resolved absolute path.

    Raises:
        BlueprintError: outside `base` (by `..`, an absolute path or a link), missing, or not a regular file.
        LimitExceeded: `max_blueprint_bytes`.
    """
    parts = Path(relative).parts
    if not parts or "\0" in relative or Path(relative).is_absolute() or ".." in parts:
        raise BlueprintError(f"path {relative[:200]!r} is not below the Blueprint's folder", fix=_INSIDE)
    real = Path(os.path.realpath(base / relative))
    if not real.is_relative_to(base) or real == base:
        raise BlueprintError(
            f"{relative[:200]!r} leads to {str(real)!r}, outside the Blueprint's folder", fix=_INSIDE
        )
    try:
        descriptor = _open_below(base, real.relative_to(base).parts)
    except OSError as error:
        raise BlueprintError(
            f"cannot read {relative[:200]!r}: {_reason(error)}", fix=_FIXES.get(type(error))
        ) from error
    try:
        return _read_regular(descriptor, relative, limits)
    finally:
        os.close(descriptor)


_INSIDE = "copy the file next to the Blueprint and name it by a relative path"
_FIXES: dict[type[OSError], str] = {FileNotFoundError: "check its name", PermissionError: "make it readable"}


def _open_below(base: Path, parts: tuple[str, ...]) -> int:
    """Open `parts` one by one from `base`; a link that was put there meanwhile is an error."""
    folder = os.open(base, _OPEN_FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _OPEN_FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(parts[-1], _OPEN_FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _read_regular(descriptor: int, relative: str, limits: Limits) -> bytes:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        fix = "name a file, not a folder or a pipe"
        raise BlueprintError(f"{relative[:200]!r} is not a regular file", fix=fix)
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        data = file.read(limits.max_blueprint_bytes + 1)
    if len(data) > limits.max_blueprint_bytes:
        fix = "pass large data as input"
        raise LimitExceeded("max_blueprint_bytes", limits.max_blueprint_bytes, where=relative, fix=fix)
    return data


def _reason(error: OSError) -> str:
    if error.errno in (ELOOP, ENOTDIR):
        return "a link or a file is where a folder was expected"
    if error.errno == ENXIO:
        return "it is a socket or a pipe"
    return (error.strerror or str(error)).lower()
