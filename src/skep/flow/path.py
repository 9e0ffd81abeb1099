"""Paths into a flow's ctx: `$`, `$.a.b`, `$.a["k.with.dot"]`, `$.items[0]`, `$.items[-1].name`.

Reading and writing never mutate: a write returns a new root that shares everything it did not touch.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from skep.errors import BadSyntax, InvalidPath, PathNotFound
from skep.flow.problems import did_you_mean
from skep.limits import DEFAULT_LIMITS, Limits
from skep.values import type_name, type_of

if TYPE_CHECKING:
    from collections.abc import Callable

Segment = str | int


class Path(Struct, frozen=True):
    """A parsed path; `segments` are object keys (`str`) and array indices (`int`)."""

    segments: tuple[Segment, ...]


ROOT = Path(())


# -- text --------------------------------------------------------------------------------------

_SEGMENT = re.compile(
    r"""\.(?P<name>[^\s.,;()\[\]{}"'\\=<>!+*/%&|]+)
      | \[(?P<index>-?[0-9]{1,9})\]
      | \[(?P<key>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')\]""",
    re.VERBOSE | re.DOTALL,
)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN_CHARS = 60
_SHAPE = 'write a path as $.name, $.items[0] or $.a["any key"]'


def parse_path(text: str, limits: Limits = DEFAULT_LIMITS) -> Path:
    r"""Read a path.

    A name after a dot may hold anything but spaces, brackets, quotes and operators; every other key stands
    in brackets as a quoted string with JSON's escapes.

    >>> parse_path('$.files[-1]["full name"]').segments
    ('files', -1, 'full name')

    Raises:
        BadSyntax: with the column (from 1) of what does not fit.
    """
    if len(text) > limits.max_path_chars:
        raise BadSyntax(
            f"path is longer than {limits.max_path_chars:,} characters", fix="use fewer or shorter names"
        )
    if not text.startswith("$"):
        raise BadSyntax(f"path {_shown(text)} does not start with $ (column 1)", fix=_SHAPE)
    segments: list[Segment] = []
    position = 1
    while position < len(text):
        match = _SEGMENT.match(text, position)
        if match is None:
            raise BadSyntax(f"path {_shown(text)} cannot be read at column {position + 1}", fix=_SHAPE)
        segments.append(_segment(match, text))
        position = match.end()
    if len(segments) > limits.max_value_depth:
        raise BadSyntax(
            f"path has more than {limits.max_value_depth} segments", fix="a value cannot be that deep"
        )
    return Path(tuple(segments))


def _segment(match: re.Match[str], text: str) -> Segment:
    if match["name"] is not None:
        return match["name"]
    if match["index"] is not None:
        return int(match["index"])
    quoted = match["key"]
    if quoted[0] == "'":
        quoted = (
            '"' + re.sub(r"\\.|\"", lambda m: {"\\'": "'", '"': '\\"'}.get(m[0], m[0]), quoted[1:-1]) + '"'
        )
    try:
        key: str = json.loads(quoted)
        key.encode()
    except ValueError as error:
        message = (
            f"path {_shown(text)} holds a quoted key that cannot be read at column {match.start('key') + 1}"
        )
        raise BadSyntax(message, fix="escape as in JSON") from error
    return key


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "...")


def format_path(path: Path) -> str:
    """The path as text; `parse_path` reads it back to the same path.

    >>> format_path(Path(("a", "k.with.dot", 0)))
    '$.a["k.with.dot"][0]'
    """
    parts = ["$"]
    for segment in path.segments:
        if isinstance(segment, int):
            parts.append(f"[{segment}]")
        elif _PLAIN_NAME.fullmatch(segment):
            parts.append(f".{segment}")
        else:
            parts.append(f"[{json.dumps(segment, ensure_ascii=False)}]")
    return "".join(parts)


# -- reading -----------------------------------------------------------------------------------


def compile_read(path: Path) -> Callable[[Any], Any]:
    """A function from a root to the value at `path`.

    It raises `PathNotFound` for a missing key, a missing index or a null on the way, and `InvalidPath`
    where the path goes into a scalar, names a field of an array or an index of an object.
    """
    segments = path.segments
    if not segments:
        return lambda root: root
    if len(segments) == 1 and isinstance(segments[0], str):
        return _read_field(path, segments[0])
    if all(isinstance(segment, str) for segment in segments):
        return _read_fields(path)
    walk = _walk(segments)

    def read(root: Any) -> Any:
        try:
            return walk(root)
        except (KeyError, IndexError, TypeError):
            raise _failure(root, path) from None

    return read


def compile_find(path: Path) -> Callable[[Any], Any]:
    """As `compile_read`, but null where that would raise."""
    walk = _walk(path.segments)

    def find(root: Any) -> Any:
        try:
            return walk(root)
        except (KeyError, IndexError, TypeError):
            return None

    return find


def _read_field(path: Path, name: str) -> Callable[[Any], Any]:
    def read(root: Any) -> Any:
        try:
            return root[name]
        except (KeyError, TypeError):
            raise _failure(root, path) from None

    return read


def _read_fields(path: Path) -> Callable[[Any], Any]:
    names = path.segments

    def read(root: Any) -> Any:
        value = root
        try:
            for name in names:
                value = value[name]
        except (KeyError, TypeError):
            raise _failure(root, path) from None
        return value

    return read


def _walk(segments: tuple[Segment, ...]) -> Callable[[Any], Any]:
    def walk(value: Any) -> Any:
        for segment in segments:
            kind = type_of(value)
            if type(segment) is int and kind is not list:  # Python would index text, too
                raise TypeError
            value = value[segment]
        return value

    return walk


# -- writing -----------------------------------------------------------------------------------


def compile_write(path: Path) -> Callable[[Any, Any], Any]:
    """`write` to one path, as a function of root and value."""
    if len(path.segments) != 1 or not isinstance(path.segments[0], str):
        return lambda root, value: write(root, path, value)
    name = path.segments[0]

    def write_field(root: Any, value: Any) -> Any:
        try:
            return {**root, name: value}
        except TypeError:  # not an object
            return write(root, path, value)

    return write_field


def write(root: Any, path: Path, value: Any) -> Any:
    """A new root with `value` at `path`; only the containers along the path are copied.

    Objects that are missing or null on the way are made. `$` replaces the root. The size of what grows is
    not looked at here: see `skep.flow.growth`.

    Raises:
        InvalidPath: the path goes through a scalar, names a field of an array or an index of an object.
        PathNotFound: an index that the array does not have.
    """
    segments = path.segments
    if not segments:
        return value
    new_root = container = _own(root, path, 0)
    for depth in range(1, len(segments)):
        key = segments[depth - 1]
        child = container.get(key) if type_of(container) is dict else container[key]
        owned = _own(child, path, depth)
        container[key] = owned
        container = owned
    container[segments[-1]] = value
    return new_root


def _own(container: Any, path: Path, depth: int) -> Any:
    """A shallow copy of `container` that segment `depth` of `path` may be written into."""
    segment, kind = path.segments[depth], type_of(container)
    if isinstance(segment, str):
        if kind is dict:
            return container.copy()
        if container is None:
            return {}
    elif kind is list and -len(container) <= segment < len(container):
        return container.copy()
    raise _failure_at(container, path, depth)


# -- what went wrong ---------------------------------------------------------------------------


def _failure(root: Any, path: Path) -> PathNotFound | InvalidPath:
    value = root
    for depth, segment in enumerate(path.segments):
        if type_of(value) is not (list if isinstance(segment, int) else dict):
            return _failure_at(value, path, depth)
        try:
            value = value[segment]
        except (KeyError, IndexError):
            return _failure_at(value, path, depth)
    raise AssertionError(format_path(path))


def _failure_at(container: Any, path: Path, depth: int) -> PathNotFound | InvalidPath:
    segment, kind = path.segments[depth], type_of(container)
    shown, here = format_path(path), format_path(Path(path.segments[:depth]))
    if container is None:
        return PathNotFound(f"path not found: {shown}", fix=f"{here} is null: {_guard(shown)}")
    if kind is dict and isinstance(segment, str):
        few = [key for key in container if len(key) <= _SHOWN_CHARS] if len(container) <= _HINTED_KEYS else []
        return PathNotFound(f"path not found: {shown}", fix=did_you_mean(segment, few) or _guard(shown))
    if kind is list and isinstance(segment, int):
        return PathNotFound(
            f"path not found: {shown}", fix=f"{here} has length {len(container)}: {_guard(shown)}"
        )
    article = "an" if kind in (list, dict) else "a"
    wanted = "an array, to have an index" if isinstance(segment, int) else "an object, to have a field"
    message = f"path {shown} does not fit: {here} is {article} {type_name(container)}, not {wanted}"
    return InvalidPath(message, fix=f"name what {here} holds, or write it to another place")


def _guard(shown: str) -> str:
    return f"write it first, or ask exists({shown})"


_HINTED_KEYS = 30
