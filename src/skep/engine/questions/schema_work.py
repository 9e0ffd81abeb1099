"""How much work a JSON Schema can make of a value, reckoned before any validation runs.

A validator follows every way through a schema, and neither time nor stack bounds it: thirty `$ref`s that each
name the next one twice are a billion ways, and long chains of them end the process. So ways and the longest
chain are reckoned here by depth of the value, with every schema looked at once a depth. Numbers are bounds
from above: each object is taken to have the worst member.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

from skep.errors import BadSchema

MAX_CHAIN = 350
"""Schemas on one way, from the top to the innermost part of a value: each is a frame on the stack."""
MAX_RECKONED = 20_000
"""Schemas times depths that are looked at here."""

_ONE_HERE = ("not", "if", "then", "else")
_MANY_HERE = ("allOf", "anyOf", "oneOf")
_NAMED_HERE = ("dependentSchemas", "dependencies")
_REFUSED = ("$dynamicRef", "$recursiveRef")
_REST_OF_OBJECT = ("additionalProperties", "unevaluatedProperties", "propertyNames")
_REST_OF_ARRAY = ("additionalItems", "unevaluatedItems", "contains")
_IN_OBJECT = ("properties", "patternProperties", *_REST_OF_OBJECT)
_IN_ARRAY = ("prefixItems", "items", *_REST_OF_ARRAY)
_LEADING = frozenset(
    ("$id", "$ref", *_REFUSED, *_ONE_HERE, *_MANY_HERE, *_NAMED_HERE, *_IN_OBJECT, *_IN_ARRAY)
)
"""Words that lead to further schemas, or are refused; most parts of a schema have none of them."""
_INDEX = re.compile("[0-9]{1,9}")


class Work(NamedTuple):
    """What one leaf of a value costs at most, on all ways through the schema together."""

    looks: int = 0
    """Schemas that are asked about it, and values it is compared with."""
    patterns: int = 0
    """Patterns that it is matched against."""
    chain: int = 0
    """Schemas on the longest way."""

    def plus(self, other: Work) -> Work:
        return Work(self.looks + other.looks, self.patterns + other.patterns, max(self.chain, other.chain))

    def at_least(self, other: Work) -> Work:
        return Work(
            max(self.looks, other.looks), max(self.patterns, other.patterns), max(self.chain, other.chain)
        )


class SchemaWork:
    """The work that the schema `root`, a JSON value that does not change, makes of a value by its depth."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._by_depth: dict[int, Work] = {}
        self._refused: tuple[int, BadSchema] | None = None
        """The least depth known to be too much, and why."""
        self._known: dict[tuple[int, int], Work] = {}
        self._open: set[tuple[int, int]] = set()

    def at(self, depth: int) -> Work:
        """The bound for a value that is nested to `depth`.

        Raises:
            BadSchema: a reference that is not `#` or `#/...`, leads nowhere or round in a circle; a chain of
                more than `MAX_CHAIN` schemas, or more than `MAX_RECKONED` to look at.
        """
        known = self._by_depth.get(depth)
        if known is not None:
            return known
        if self._refused is not None and depth >= self._refused[0]:  # what is nested deeper takes no less
            raise self._refused[1].with_traceback(None)
        try:
            known = self._by_depth[depth] = self._of(self._root, depth, MAX_CHAIN)
        except BadSchema as error:
            self._refused = depth, error
            raise
        finally:
            self._known.clear()  # what one depth takes counts against no other
        return known

    def _of(self, schema: Any, depth: int, left: int) -> Work:
        if type(schema) is not dict:
            return Work(looks=1, chain=1)
        place = (id(cast("object", schema)), depth)
        if place in self._open:
            raise BadSchema("the schema leads back to itself without going into the value")
        known = self._known.get(place)
        if left <= 0 or (known is not None and known.chain > left):
            raise BadSchema(
                f"more than {MAX_CHAIN} schemas follow each other", fix="use fewer references, nest less"
            )
        if known is not None:
            return known
        if len(self._known) >= MAX_RECKONED:
            raise BadSchema("the schema has too many parts for so deep a value")
        self._open.add(place)
        try:
            known = self._known[place] = self._reckon(cast("dict[str, Any]", schema), depth, left - 1)
        finally:
            self._open.discard(place)
        return known

    def _reckon(self, schema: dict[str, Any], depth: int, left: int) -> Work:
        work = _own(schema)
        if _LEADING.isdisjoint(schema):
            return work._replace(chain=1)
        for part in self._here(schema):
            work = work.plus(self._of(part, depth, left))
        if depth > 0:
            inside = Work()
            for either, every in (_in_object(schema), _in_array(schema)):
                member = Work()
                for part in either:
                    member = member.at_least(self._of(part, depth - 1, left))
                for part in every:
                    member = member.plus(self._of(part, depth - 1, left))
                inside = inside.at_least(member)
            work = work.plus(inside)
        if "unevaluatedProperties" in schema or "unevaluatedItems" in schema:
            # What the other keywords have looked at is asked again, by each that lies around it: measured.
            work = Work(work.looks * 4, work.patterns * 4, work.chain)
        return work._replace(chain=work.chain + 1)

    def _here(self, schema: dict[str, Any]) -> Iterable[Any]:
        """The schemas that look at the same value."""
        for word in _REFUSED:
            if word in schema:
                raise BadSchema(f"{word} is not supported", fix="use $ref")
        if "$id" in schema and schema is not self._root:
            raise BadSchema("$id stands in a part of the schema", fix="remove it: refer to parts as #/...")
        if "$ref" in schema:
            yield self._target(schema["$ref"])
        for word in _ONE_HERE:
            if word in schema:
                yield schema[word]
        for word in _MANY_HERE:
            yield from _list(schema, word)
        for word in _NAMED_HERE:
            yield from _dict(schema, word).values()

    def _target(self, ref: Any) -> Any:
        if type(ref) is not str or not (ref == "#" or ref.startswith("#/")):
            raise BadSchema(
                f"$ref {_short(ref)} leads out of the schema",
                fix="put what it means into $defs: #/$defs/NAME",
            )
        found = self._root
        for step in unquote(ref).split("/")[1:]:
            found = _member(found, step.replace("~1", "/").replace("~0", "~"))
            if found is _NOTHING:
                raise BadSchema(f"$ref {_short(ref)} leads nowhere")
        return found


_NOTHING = object()


def _member(value: Any, name: str) -> Any:
    """The member of an object or array that a step of a JSON pointer names."""
    if type(value) is dict:
        return cast("dict[str, Any]", value).get(name, _NOTHING)
    if type(value) is list and _INDEX.fullmatch(name):
        items = cast("list[Any]", value)
        return items[int(name)] if int(name) < len(items) else _NOTHING
    return _NOTHING


def _in_object(schema: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """The schemas of which one member of an object meets one at most, and those it may all meet."""
    rest = [*_dict(schema, "patternProperties").values(), *_present(schema, _REST_OF_OBJECT)]
    return [*_dict(schema, "properties").values()], rest


def _in_array(schema: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    items = _list(schema, "items") or _present(schema, ("items",))
    return [*_list(schema, "prefixItems"), *items], _present(schema, _REST_OF_ARRAY)


def _own(schema: dict[str, Any]) -> Work:
    by_pattern = len(_dict(schema, "patternProperties"))
    listed = len(_list(schema, "enum")) + len(_list(schema, "required"))
    return Work(looks=1 + listed + by_pattern, patterns=by_pattern + ("pattern" in schema))


def _list(schema: dict[str, Any], word: str) -> list[Any]:
    found = schema.get(word)
    return cast("list[Any]", found) if type(found) is list else []


def _dict(schema: dict[str, Any], word: str) -> dict[str, Any]:
    found = schema.get(word)
    return cast("dict[str, Any]", found) if type(found) is dict else {}


def _present(schema: dict[str, Any], words: Iterable[str]) -> list[Any]:
    return [schema[word] for word in words if word in schema]


def _short(ref: Any) -> str:
    text = repr(ref)
    return text if len(text) <= 80 else f"{text[:80]}..."  # noqa: PLR2004 - what a line of text bears
