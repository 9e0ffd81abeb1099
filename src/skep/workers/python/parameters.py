"""From a step's input to a function's parameters; worked out once, when the function is registered."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterable
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from msgspec import UNSET, Struct

from skep.errors import BadValue, ConfigError
from skep.values import type_name
from skep.workers.python.invocation import Invocation

OBJECT_INFOS = (
    msgspec.inspect.DictType,
    msgspec.inspect.StructType,
    msgspec.inspect.DataclassType,
    msgspec.inspect.TypedDictType,
)


class Parameters:
    """How the parameters of one worker function are filled.

    - A parameter annotated `Invocation`, or named `inv` without an annotation, gets the invocation.
    - An input object fills the others by name. An unknown key is an error; `**kwargs` takes it.
    - A function with one other parameter gets any other input as that one; also an object, when the type is
      one (dataclass, struct, pydantic model, TypedDict, dict) and the parameter's name is not its only key.
    - `null` leaves every parameter its default, if all have one.

    Types are converted strictly (msgspec; pydantic models by `model_validate`).

    Raises:
        ConfigError: parameters that an input cannot fill, or annotations that cannot be read.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = getattr(function, "__qualname__", type(function).__name__)
        hints = _hints(function, self._name)
        self._invocation: str | None = None
        self._rest: Any = None
        self._names: list[str] = []
        self._required: list[str] = []
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        for parameter in self._signature(function):
            hint = hints.get(parameter.name, Any)
            self._check_kind(parameter)
            if _is_invocation(parameter, hint):
                self._invocation = parameter.name
            elif parameter.kind is parameter.VAR_KEYWORD:
                self._rest = dict[str, hint]
            else:
                self._names.append(parameter.name)
                if parameter.default is parameter.empty:
                    self._required.append(parameter.name)
                    fields.append((parameter.name, hint))
                else:
                    fields.append((parameter.name, hint, UNSET))
        self._type = self._struct(fields)
        self._single = self._names[0] if len(self._names) == 1 and self._rest is None else None
        self._single_is_object = self._single is not None and _is_object(fields[0][1])

    def fill(self, invocation: Invocation) -> dict[str, Any]:
        """The keyword arguments for one call.

        Raises:
            BadValue: the input does not fit.
        """
        arguments = self._from_input(invocation.input) if self._names or self._rest is not None else {}
        if self._invocation is not None:
            arguments[self._invocation] = invocation
        elif not self._names and self._rest is None and invocation.input not in (None, {}):
            raise self._misfit("it takes no input")
        return arguments

    def _from_input(self, given: Any) -> dict[str, Any]:
        members = self._members(given)
        rest: dict[str, Any] = {}
        if self._rest is not None:
            rest = {key: value for key, value in members.items() if key not in self._names}
            members = {key: value for key, value in members.items() if key in self._names}
        try:
            filled = msgspec.convert(members, self._type, str_keys=True, dec_hook=_decode_foreign)
            arguments = {name: getattr(filled, name) for name in members}
            if rest:
                arguments |= msgspec.convert(rest, self._rest, str_keys=True, dec_hook=_decode_foreign)
        except msgspec.ValidationError as error:
            raise self._misfit(self._reason(members, error)) from error
        return arguments

    def _reason(self, members: dict[str, Any], error: msgspec.ValidationError) -> str:
        for name in self._required:
            if name not in members:
                return f"{name!r} is missing"
        for key in members:
            if key not in self._names:
                return f"unknown key {key!r}"
        return str(error)

    def _members(self, given: Any) -> dict[str, Any]:
        if given is None and not self._required:
            return {}
        if type(given) is dict:
            members = cast("dict[str, Any]", given)
            whole = self._single_is_object and list(members) != [self._single]
            return {cast("str", self._single): members} if whole else members
        if self._single is not None:
            return {self._single: given}
        raise self._misfit(f"expected an object, got {type_name(given)}")

    def _signature(self, function: Callable[..., Any]) -> Iterable[inspect.Parameter]:
        try:
            return inspect.signature(function).parameters.values()
        except ValueError as error:
            raise self._unusable(str(error)) from error

    def _struct(self, fields: Iterable[tuple[str, Any] | tuple[str, Any, Any]]) -> type[Struct]:
        try:
            struct = msgspec.defstruct("Parameters", fields, kw_only=True, forbid_unknown_fields=True)
            msgspec.json.schema(struct, schema_hook=_check_foreign)
            if self._rest is not None:
                msgspec.json.schema(self._rest, schema_hook=_check_foreign)
        except (TypeError, NameError) as error:
            raise self._unusable(str(error)) from error
        return struct

    def _check_kind(self, parameter: inspect.Parameter) -> None:
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise self._unusable(f"parameter {parameter.name!r} is positional-only")
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise self._unusable(f"parameter *{parameter.name} cannot be filled by name")

    def _unusable(self, reason: str) -> ConfigError:
        return ConfigError(
            reason,
            where=f"worker function {self._name}",
            fix="a worker function takes an Invocation, or plain typed parameters that JSON can fill",
        )

    def _misfit(self, reason: str) -> BadValue:
        names = [name if name in self._required else f"{name} (optional)" for name in self._names]
        if self._rest is not None:
            names.append("any other")
        return BadValue(
            f"input does not fit {self._name}: {reason}", fix=f"parameters: {', '.join(names) or 'none'}"
        )


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    """The parameters' annotations; that of the result is never needed, so it may be unreadable."""
    target: Any = function.func if isinstance(function, functools.partial) else function
    if not inspect.isroutine(target):
        target = type(target).__call__
    annotations = {
        key: value for key, value in getattr(target, "__annotations__", {}).items() if key != "return"
    }
    scope = getattr(inspect.unwrap(target), "__globals__", {})
    try:
        return typing.get_type_hints(SimpleNamespace(__annotations__=annotations), scope, include_extras=True)
    except (NameError, TypeError, SyntaxError, AttributeError) as error:
        raise ConfigError(
            f"annotation cannot be read: {error}",
            where=f"worker function {name}",
            fix="define or import the type at module level, not only under TYPE_CHECKING",
        ) from error


def _is_invocation(parameter: inspect.Parameter, hint: Any) -> bool:
    return hint is Invocation or (parameter.annotation is parameter.empty and parameter.name == "inv")


def _is_object(hint: Any) -> bool:
    info = msgspec.inspect.type_info(hint)
    parts = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    return any(isinstance(part, OBJECT_INFOS) or _is_model(getattr(part, "cls", None)) for part in parts)


def _is_model(cls: Any) -> bool:
    """A pydantic model class; recognised by its protocol, so that pydantic need not be installed."""
    return isinstance(cls, type) and hasattr(cls, "model_validate")


def _is_path(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, PurePath)


def _check_foreign(cls: Any) -> dict[str, Any]:
    if _is_model(cls) or _is_path(cls) or cls is object:
        return {"title": cls.__name__}
    raise TypeError(f"a parameter of type {cls!r} cannot be made from JSON")


def _decode_foreign(cls: Any, given: Any) -> Any:
    if _is_model(cls):
        return cls.model_validate(given)
    if _is_path(cls) and isinstance(given, str):
        return cls(given)
    if cls is object:
        return given
    raise TypeError(f"expected text for a path, got {type_name(given)}")
