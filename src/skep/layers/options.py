"""What a layer is told: read into a struct, and checked by lint without one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from skep.flow.catalog import Check
from skep.flow.problems import Problem
from skep.flow.struct_reader import StructReader

Options = TypeVar("Options", bound=Struct)
Also = Callable[[Options, str], Iterable[Problem]]


def nothing_else(_options: Struct, _place: str) -> Iterable[Problem]:
    """The rest of a check whose struct says everything."""
    return ()


def check_of(kind: type[Options], also: Also[Options] = nothing_else) -> Check:
    """The `HintInfo.check` of a layer whose options are a `kind`; `also` sees those that could be read."""

    def check(options: Any, place: str) -> list[Problem]:
        problems: list[Problem] = []
        read = StructReader(problems).struct(kind, options, place)
        if read is not None and not problems:
            problems.extend(also(read, place))
        return problems

    return check


def code_check_of(kind: type[Options], code: Also[Options]) -> Check:
    """The `HintInfo.check_code` of a layer; what cannot be read is left to its `check`."""

    def check(options: Any, place: str) -> list[Problem]:
        problems: list[Problem] = []
        read = StructReader(problems).struct(kind, options, place)
        return list(code(read, place)) if read is not None and not problems else []

    return check


def read_options(kind: type[Options], options: Mapping[str, Any]) -> Options:
    """Options that were checked, as a `kind`."""
    return msgspec.convert(dict(options), kind, strict=False)
