"""Answers against the JSON Schema of their question.

Schemas come from workers and answers from anywhere: both are bounded before the library sees them. Patterns
are matched in linear time, so those that need look-around or back-references are refused, and nothing is ever
fetched: no reference leads out of the schema.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from msgspec import structs

from skep import values
from skep.engine.questions.schema_work import SchemaWork
from skep.errors import AnswerRefused, BadSchema, LimitExceeded
from skep.limits import DEFAULT_LIMITS, KIB

if TYPE_CHECKING:
    import jsonschema_rs

SCHEMA_BYTES = 64 * KIB
SCHEMA_DEPTH = 50
MAX_LOOKS = 1_000_000
"""Looks at a schema for one answer: some 50 ms."""
MAX_MATCHED = 100_000
"""Characters of one answer to match against patterns; the worst pattern takes 7 us for each."""
MAX_PATTERNS = 32
_TOLD_LOOKS = 20_000
"""Up to it the place of a fault is searched for, which costs some microseconds a look."""
_PLAUSIBLE_DEPTH = 4
"""A schema that cannot check a small value of this depth is refused when it is asked with."""
_PATTERN_BYTES = 64 * KIB
"""A pattern, compiled: what its repetitions may come to."""
_CACHED = 32
_MAX_PLACE = 200
_MAX_REASON = 300

_DRAFTS = re.compile(
    r"https?://json-schema\.org/(draft/2020-12|draft/2019-09|draft-07|draft-06)/schema#?", re.ASCII
)
_SCHEMA_LIMITS = structs.replace(DEFAULT_LIMITS, max_value_depth=SCHEMA_DEPTH)
_WHERE = "answer schema"


class AnswerSchema:
    """A compiled schema; `compile_schema` makes them."""

    def __init__(self, schema: Any, validator: jsonschema_rs.Validator) -> None:
        self._validator = validator
        self._work = SchemaWork(schema)

    def check(self, value: Any) -> None:
        """Check an answer, a JSON value that was taken in (R-value).

        Raises:
            AnswerRefused: it does not fit, or is too large for this schema; names the first place that does
                not fit as a JSON pointer (`where`) and the reason, in one line.
        """
        count, characters, depth = _measure(value)
        try:
            work = self._work.at(depth)
        except BadSchema as error:
            raise _too_large(f"it is nested {depth} deep") from error
        looks = work.looks * count
        if looks > MAX_LOOKS or work.patterns * characters > MAX_MATCHED:
            raise _too_large(f"{count:,} values with {characters:,} characters")
        if self._validator.is_valid(value):
            return
        if looks > _TOLD_LOOKS:
            raise AnswerRefused("the answer does not fit the schema, and is too large to say where")
        raise _refused(self._validator.evaluate(value).errors()[0])


def compile_schema(schema: Any) -> AnswerSchema:
    """Compile the JSON Schema of a question: an object or a boolean, draft 6, 7, 2019-09 or 2020-12 (default).

    `format` is an annotation and not checked. The last 32 schemas are kept compiled.

    Raises:
        BadValue, LimitExceeded: no JSON; more than 64 KiB of it, or nested deeper than 50.
        BadSchema: not a schema; `$ref` to anything but `#` and `#/...`; a pattern that cannot be matched in
            linear time; references that go round in a circle or multiply beyond what could be checked.
    """
    data = values.encode(schema, _SCHEMA_LIMITS, where=_WHERE)
    if len(data) > SCHEMA_BYTES:
        raise LimitExceeded("answer_schema_bytes", SCHEMA_BYTES, where=_WHERE)
    if type(schema) not in (dict, bool):
        raise BadSchema(f"a schema is an object or a boolean, not {values.type_name(schema)}", where=_WHERE)
    return _compiled(values.canonical(schema))


@lru_cache(maxsize=_CACHED)
def _compiled(data: bytes) -> AnswerSchema:
    # Here, not above: most runs ask nothing, and every start of the program would pay for it.
    from jsonschema_rs import RegexOptions, ValidationError, validator_for  # noqa: PLC0415

    schema = values.decode(data)
    _check_draft(schema)
    if _patterns(schema) > MAX_PATTERNS:
        raise BadSchema(f"more than {MAX_PATTERNS} patterns", where=_WHERE)
    if SchemaWork(schema).at(_PLAUSIBLE_DEPTH).looks > MAX_LOOKS:
        raise BadSchema("its parts refer to each other in too many ways to be checked", where=_WHERE)
    try:
        validator = validator_for(
            schema,
            validate_formats=False,
            pattern_options=RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=4 * _PATTERN_BYTES),
            offline=True,
        )
    except ValidationError as error:
        raise _bad(error) from error
    return AnswerSchema(schema, validator)


def _check_draft(schema: Any) -> None:
    named: Any = cast("dict[str, Any]", schema).get("$schema") if type(schema) is dict else None
    if named is not None and not (type(named) is str and _DRAFTS.fullmatch(named)):
        raise BadSchema(
            "an unknown $schema",
            where=_WHERE,
            fix="leave it out, or write https://json-schema.org/draft/2020-12/schema",
        )


def _bad(error: jsonschema_rs.ValidationError) -> BadSchema:
    path = "".join(f"/{_escaped(step)}" for step in error.instance_path)
    fix = None
    if error.kind.name == "format":
        fix = "a pattern has neither look-around nor back-references, and its repetitions are bounded"
    return BadSchema(
        _line(error.message, _MAX_REASON), where=_line(f"{_WHERE} {path}".rstrip(), _MAX_PLACE), fix=fix
    )


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")


def _refused(entry: jsonschema_rs.EvaluationErrorEntry) -> AnswerRefused:
    place = _line(entry["instanceLocation"], _MAX_PLACE) or "the answer"
    return AnswerRefused(_line(entry["error"], _MAX_REASON), where=place)


def _too_large(what: str) -> AnswerRefused:
    return AnswerRefused(f"the answer is too large to be checked: {what}", fix="answer with less")


def _line(text: str, limit: int) -> str:
    """One line of visible characters."""
    shown = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


def _measure(value: Any) -> tuple[int, int, int]:
    """How many values there are in `value`, how many characters of text, and how deep it is nested."""
    count = characters = depth = 0
    level: list[Any] = [value]
    while level:
        inner: list[Any] = []
        for item in level:
            if type(item) is str:
                characters += len(item)
            elif type(item) is dict:
                members = cast("dict[str, Any]", item)
                inner += members.values()
                characters += sum(map(len, members))
            elif type(item) is list:
                inner += cast("list[Any]", item)
        count += len(level)
        level = inner
        depth += bool(level)
    return count, characters, depth


def _patterns(schema: Any) -> int:
    """How many patterns there may be anywhere in `schema`, whether they are used or not."""
    if type(schema) is list:
        return sum(map(_patterns, cast("list[Any]", schema)))
    if type(schema) is not dict:
        return 0
    members = cast("dict[str, Any]", schema)
    named = members.get("patternProperties")
    by_name = len(cast("dict[str, Any]", named)) if type(named) is dict else 0
    return ("pattern" in members) + by_name + sum(map(_patterns, members.values()))
