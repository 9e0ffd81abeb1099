"""Lua in a Blueprint: `{source: "..."}`, or `{file: hooks/gate.lua}`, which a Blueprint's file replaces by the text.

So the script is part of the Blueprint's version, and a run that is taken up again runs what it began with.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from msgspec import Meta, Struct

from skep.flow.problems import Problem, inside
from skep.values import type_of

FILE = "file"
HOOKS = ("before", "after")


class LuaSource(Struct, frozen=True, kw_only=True):
    """Where a script's text is."""

    source: str | None = None
    name: Annotated[str, Meta(min_length=1, max_length=1_000)] | None = None
    """What its errors show; a file's is its path."""
    file: str | None = None
    """A path below the Blueprint's folder; gone once it was read."""


def check_source(source: LuaSource, place: str) -> Iterator[Problem]:
    """What keeps a script from being run."""
    if source.file is not None:
        fix = "run the document from its file, or give source"
        yield Problem(inside(place, FILE), "E-FILE", "file is followed only in Blueprint files", fix)
    elif source.source is None:
        yield Problem(place, "E-FIELD-MISSING", "no Lua here", "give source or file")


def find_lua_files(document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The place of each script that is named by file, and the object that names it."""
    for place, holder in _holders(document):
        if type_of(holder) is dict and FILE in holder:
            yield place, holder


def _holders(document: Any) -> Iterator[tuple[str, Any]]:
    agents = _member(document, "agents")
    for key, agent in agents.items() if type_of(agents) is dict else enumerate(_items(document, "agents")):
        if _member(agent, "kind") == "lua":
            yield inside(inside("agents", key), "spec"), agent.get("spec")
    at = "spawner_hints.layers"
    for number, layer in enumerate(_items(_member(document, "spawner_hints"), "layers")):
        options = _member(layer, "lua")
        for hook in HOOKS:
            yield inside(inside(inside(at, number), "lua"), hook), _member(options, hook)


def _member(value: Any, key: str) -> Any:
    return value.get(key) if type_of(value) is dict else None


def _items(value: Any, key: str) -> list[Any]:
    items = _member(value, key)
    return items if type_of(items) is list else []
