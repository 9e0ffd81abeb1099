"""Any struct out of a plain document, with every problem at once and unknown fields refused.

The struct types are the table: names, types, defaults and bounds are read from them, as the JSON Schema is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, structs

from skep.flow.problems import Problem, did_you_mean, inside
from skep.values import type_name, type_of

S = TypeVar("S", bound=Struct)
Hook = Callable[["StructReader", Any, str], Any]
"""Reads what stands at a place; `None` if it cannot be read, with the reason among `reader.problems`."""

_BAD: Any = object()
_JSON_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number"}


class StructReader:
    """Reads structs; `hooks` read the types that have a grammar of their own."""

    def __init__(self, problems: list[Problem], hooks: Mapping[Any, Hook] = {}) -> None:
        self.problems = problems
        self._hooks = hooks

    def struct(self, kind: type[S], doc: Any, place: str) -> S | None:
        """An object as a `kind`, or `None` if there was a problem inside."""
        if type_of(doc) is not dict:
            return self._wrong(place, "object", doc)
        fields = {field.encode_name: field for field in structs.fields(kind)}
        tag_field = kind.__struct_config__.tag_field
        values: dict[str, Any] = {}
        for key, item in doc.items():
            field = fields.get(key)
            if field is not None:
                values[field.name] = self._value(_hints(kind)[field.name], item, inside(place, key))
            elif key != tag_field:
                self._unknown(key, [*fields], inside(place, key))
        for key, field in fields.items():
            if field.required and key not in doc:
                values[field.name] = self._missing(_hints(kind)[field.name], key, inside(place, key))
        return None if any(value is _BAD for value in values.values()) else kind(**values)

    def _value(self, hint: Any, doc: Any, place: str) -> Any:
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        hook = self._hooks.get(bare)
        if hook is not None:
            read = hook(self, doc, place)
            return _BAD if read is None else read
        origin = get_origin(bare)
        if bare is Any:
            return doc
        if origin is Union or origin is UnionType:
            return self._union(get_args(bare), doc, place)
        if origin is tuple:
            return self._items(get_args(bare)[0], doc, place)
        if origin is dict:
            return self._members(get_args(bare)[1], doc, place)
        if origin is Literal:
            return self._choice(get_args(bare), doc, place)
        if issubclass(bare, Struct):
            read = self.struct(bare, doc, place)
            return _BAD if read is None else read
        return self._leaf(hint, bare, doc, place)

    def _union(self, members: tuple[Any, ...], doc: Any, place: str) -> Any:
        rest = [member for member in members if member is not NoneType]
        if doc is None and len(rest) < len(members):
            return None
        if len(rest) == 1:
            return self._value(rest[0], doc, place)
        return self._tagged(rest, doc, place)

    def _tagged(self, members: list[type[Struct]], doc: Any, place: str) -> Any:
        tag_field = members[0].__struct_config__.tag_field
        assert tag_field is not None  # noqa: S101 - unions of structs are tagged
        by_tag = {str(member.__struct_config__.tag): member for member in members}
        if type_of(doc) is not dict:
            return self._wrong(place, "object", doc)
        tag = self._choice(tuple(by_tag), doc.get(tag_field), inside(place, tag_field))
        return _BAD if tag is _BAD else self._value(by_tag[tag], doc, place)

    def _items(self, hint: Any, doc: Any, place: str) -> Any:
        if type_of(doc) is not list:
            return self._wrong(place, "array", doc)
        items = tuple(self._value(hint, item, inside(place, number)) for number, item in enumerate(doc))
        return _BAD if _BAD in items else items

    def _members(self, hint: Any, doc: Any, place: str) -> Any:
        if type_of(doc) is not dict:
            return self._wrong(place, "object", doc)
        members = {key: self._value(hint, item, inside(place, key)) for key, item in doc.items()}
        return _BAD if any(value is _BAD for value in members.values()) else members

    def _choice(self, choices: tuple[Any, ...], doc: Any, place: str) -> Any:
        if isinstance(doc, str) and doc in choices:
            return doc
        words = [str(choice) for choice in choices]
        shown = repr(doc[:60]) if isinstance(doc, str) else type_name(doc)
        fix = did_you_mean(doc[:60], words) if isinstance(doc, str) else f"known: {', '.join(words)}"
        return self._bad(place, "E-FIELD-CHOICE", f"{shown} is not one of the choices", fix)

    def _leaf(self, hint: Any, bare: Any, doc: Any, place: str) -> Any:
        try:
            value = msgspec.convert(doc, bare, strict=True)
        except msgspec.ValidationError:
            return self._wrong(place, _JSON_NAMES[bare], doc)
        try:
            return msgspec.convert(value, hint, strict=True)
        except msgspec.ValidationError as error:
            examples = [example for meta in get_args(hint)[1:] for example in meta.examples or ()]
            fix = f"write it like {examples[0]}" if examples else None
            code = "E-FIELD-FORM" if bare is str else "E-FIELD-RANGE"
            return self._bad(place, code, _plain(str(error)), fix)

    def _unknown(self, key: str, known: list[str], place: str) -> None:
        fix = did_you_mean(key[:60], known)
        self.problems.append(Problem(place, "E-FIELD-UNKNOWN", f"unknown field {key[:60]!r}", fix))

    def _missing(self, hint: Any, key: str, place: str) -> Any:
        fix = next((meta.description for meta in get_args(hint) if getattr(meta, "description", None)), None)
        return self._bad(place, "E-FIELD-MISSING", f"{key!r} is required", fix and fix.rstrip("."))

    def _wrong(self, place: str, wanted: str, doc: Any) -> Any:
        return self._bad(place, "E-FIELD-TYPE", f"expected {wanted}, got {type_name(doc)}")

    def _bad(self, place: str, code: str, message: str, fix: str | None = None) -> Any:
        self.problems.append(Problem(place, code, message, fix))
        return _BAD


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _plain(message: str) -> str:
    """A message of msgspec in JSON's words: `Expected `str` of length >= 1 - at `$.x``."""
    message = message.partition(" - at ")[0]
    if "regex" in message:
        return "not of the form that this field needs"
    for kind, name in _JSON_NAMES.items():
        message = message.replace(f"`{kind.__name__}`", name)
    return message[:1].lower() + message[1:]


def to_document(part: Struct, hooks: Mapping[Any, Callable[[Any], Any]] = {}) -> dict[str, Any]:
    """The plain document of a struct, without fields at their default; reading it gives the same struct."""
    document: dict[str, Any] = {}
    config = part.__struct_config__
    if config.tag_field is not None:
        document[config.tag_field] = config.tag
    for field in structs.fields(part):
        value = getattr(part, field.name)
        if field.required or value != default_of(field):
            document[field.encode_name] = _plain_value(value, hooks)
    return document


def default_of(field: structs.FieldInfo) -> Any:
    """What an absent field holds."""
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default


def _plain_value(value: Any, hooks: Mapping[Any, Callable[[Any], Any]]) -> Any:
    for kind, hook in hooks.items():
        if isinstance(value, kind):
            return hook(value)
    if isinstance(value, Struct):
        return to_document(value, hooks)
    if type_of(value) is tuple:
        return [_plain_value(item, hooks) for item in value]
    return value
