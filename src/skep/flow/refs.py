"""`$file` and `$agent_md`: parts of a document that stand in files of their own (the reference's 6.2).

    {"$file": "prompts/review.md"}                      the file's text
    {"$agent_md": "agents/review.md", "timeout": 60}    the agent in that file; fields beside it win
    {"file": "hooks/gate.lua"}                          where Lua is expected: {"source": the text, "name": the path}

What a file holds is not expanded again. Reading is the caller's: this module sees bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from skep.errors import BlueprintError, LimitExceeded
from skep.flow.agent_md import parse_agent_md
from skep.flow.document import decode_text
from skep.flow.lua_files import FILE as LUA_FILE
from skep.flow.lua_files import find_lua_files
from skep.flow.problems import Problem, inside
from skep.limits import DEFAULT_LIMITS, Limits
from skep.values import type_name, type_of

FILE = "$file"
AGENT_MD = "$agent_md"

ReadFile = Callable[[str], bytes]
"""The bytes at a path relative to the Blueprint's folder; raises `BlueprintError` if it may not be read."""


def expand(
    document: Any, read: ReadFile, problems: list[Problem], limits: Limits = DEFAULT_LIMITS, *, size: int = 0
) -> Any:
    """The document with every reference replaced by what it refers to; `size` is its own size in bytes.

    A reference that cannot be followed is appended to `problems` (`E-FILE`, `E-SYNTAX` in an agent.md).

    Raises:
        LimitExceeded: `max_blueprint_bytes` for the document and everything it refers to.
    """
    default = document.get("default_agent_kind", "operator") if type_of(document) is dict else None
    expander = _Expander(read, problems, limits, size, default)
    expanded = expander.value(document, "")
    expander.lua(expanded)
    return expanded


def find_refs(document: Any) -> Iterator[tuple[str, str]]:
    """The place and the word of every reference in a document."""
    yield from _find(document, "")
    for place, _ in find_lua_files(document):
        yield place, LUA_FILE


def _find(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if type_of(value) is dict:
        for key, item in value.items():
            if key in (FILE, AGENT_MD):
                yield place, key
            yield from _find(item, inside(place, key))
    elif type_of(value) is list:
        for number, item in enumerate(value):
            yield from _find(item, inside(place, number))


class _Expander:
    def __init__(self, read: ReadFile, problems: list[Problem], limits: Limits, size: int, kind: Any) -> None:
        self._read = read
        self._problems = problems
        self._limits = limits
        self._size = size
        self._kind = kind

    def value(self, value: Any, place: str) -> Any:
        if type_of(value) is list:
            items: list[Any] = []
            for number, item in enumerate(value):
                items.append(self.value(item, inside(place, number)))
            return items
        if type_of(value) is not dict:
            return value
        if FILE in value:
            return self._text(value, place)
        if AGENT_MD in value:
            return self._agent(value, place)
        members: dict[str, Any] = {}
        for key, item in value.items():
            members[key] = self.value(item, inside(place, key))
        return members

    def lua(self, expanded: Any) -> None:
        """Put the text of Lua files in place."""
        for place, holder in find_lua_files(expanded):
            if "source" in holder:
                self._refuse(place, "E-FILE", "file has source beside it", "keep one of them")
                continue
            path = holder.pop(LUA_FILE)
            holder["source"] = self._file(path, inside(place, LUA_FILE), decode_text)
            holder.setdefault("name", path)

    def _text(self, value: dict[str, Any], place: str) -> Any:
        if len(value) > 1:
            other = next(key for key in value if key != FILE)
            return self._refuse(
                place, "E-FILE", f"{FILE} has {other[:60]!r} beside it", "a $file stands alone"
            )
        return self._file(value[FILE], inside(place, FILE), decode_text)

    def _agent(self, value: dict[str, Any], place: str) -> Any:
        beside = self.value({key: item for key, item in value.items() if key != AGENT_MD}, place)
        agent = self._file(
            value[AGENT_MD],
            inside(place, AGENT_MD),
            lambda data, path: parse_agent_md(data, self._limits, where=path),
        )
        return None if agent is None else {"kind": self._kind, **agent, **beside}

    def _file(self, path: Any, place: str, parse: Callable[[bytes, str], Any]) -> Any:
        if type_of(path) is not str:
            return self._refuse(place, "E-FILE", f"expected a relative path, got {type_name(path)}", None)
        try:
            data = self._read(path)
        except BlueprintError as error:
            return self._refuse(place, "E-FILE", error.what, error.fix)
        self._size += len(data)
        if self._size > self._limits.max_blueprint_bytes:
            fix = "refer to smaller files"
            raise LimitExceeded("max_blueprint_bytes", self._limits.max_blueprint_bytes, where=place, fix=fix)
        try:
            return parse(data, path)
        except BlueprintError as error:
            return self._refuse(place, "E-SYNTAX", f"{error.where}: {error.what}", error.fix)

    def _refuse(self, place: str, code: str, message: str, fix: str | None) -> None:
        self._problems.append(Problem(place, code, message, fix))
