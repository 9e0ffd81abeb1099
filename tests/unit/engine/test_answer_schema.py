from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.engine.questions import answer_schema
from skep.engine.questions.answer_schema import MAX_LOOKS, MAX_MATCHED, compile_schema
from skep.errors import AnswerRefused, BadSchema, BadValue, LimitExceeded

ISSUE = {
    "type": "object",
    "properties": {
        "verdict": {"enum": ["pass", "blocked"]},
        "notes": {"type": "array", "items": {"$ref": "#/$defs/note"}},
        "a/b~c": {"type": "integer", "minimum": 0},
    },
    "required": ["verdict"],
    "additionalProperties": False,
    "$defs": {"note": {"type": "string", "maxLength": 9, "pattern": r"^[\w ]+$"}},
}


def reason(schema, value):
    with pytest.raises(AnswerRefused) as caught:
        compile_schema(schema).check(value)
    return caught.value


@pytest.mark.parametrize(
    "value",
    [{"verdict": "pass"}, {"verdict": "blocked", "notes": ["too long", "x"], "a/b~c": 3}],
)
def test_an_answer_that_fits_passes(value):
    compile_schema(ISSUE).check(value)


@pytest.mark.parametrize(
    ("value", "where", "what"),
    [
        ({}, "the answer", '"verdict" is a required property'),
        ("pass", "the answer", 'not of type "object"'),
        ({"verdict": "maybe"}, "/verdict", 'not one of "pass" or "blocked"'),
        ({"verdict": "pass", "notes": ["fine", "much too long"]}, "/notes/1", "longer than 9"),
        ({"verdict": "pass", "notes": ["what?"]}, "/notes/0", "does not match"),
        ({"verdict": "pass", "a/b~c": -1}, "/a~1b~0c", "less than the minimum of 0"),
        ({"verdict": "pass", "extra": 1}, "the answer", "'extra' was unexpected"),
    ],
)
def test_a_refusal_names_the_place_and_the_reason(value, where, what):
    error = reason(ISSUE, value)
    assert error.where == where
    assert what in error.what


def test_booleans_are_schemas():
    compile_schema(True).check({"anything": [1]})
    assert "allow" in reason(False, 1).what


def test_a_refusal_is_one_bounded_line_whatever_the_answer_holds():
    error = reason({"type": "integer"}, "a\nb\u202e\x1b[31m" + "x" * 5_000)
    assert "\n" not in str(error)
    assert str(error).isprintable()
    assert r"\u202e" in error.what
    assert len(str(error)) < 400
    error = reason({"additionalProperties": {"type": "integer"}}, {"k" * 5_000 + "\n": "x"})
    assert str(error).isprintable()
    assert len(str(error)) < 600


@pytest.mark.parametrize(
    ("schema", "what", "where"),
    [
        ([], "not array", "answer schema"),
        (None, "not null", "answer schema"),
        ({"properties": {"x": {"type": "nope"}}}, "nope", "answer schema /properties/x/type"),
        ({"properties": {"a/b": {"minimum": "1"}}}, "", "answer schema /properties/a~1b/minimum"),
        ({"$schema": "https://example.com/mine"}, "unknown $schema", "answer schema"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "unknown $schema", "answer schema"),
        ({"$schema": 3}, "unknown $schema", "answer schema"),
        ({"required": "x"}, "", "answer schema /required"),
    ],
)
def test_what_is_no_schema_is_refused_with_its_place(schema, what, where):
    with pytest.raises(BadSchema) as caught:
        compile_schema(schema)
    assert what in caught.value.what
    assert caught.value.where == where
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("draft", ["draft/2020-12", "draft/2019-09", "draft-07", "draft-06"])
def test_the_drafts_that_are_known(draft):
    schema = compile_schema({"$schema": f"http://json-schema.org/{draft}/schema", "type": "string"})
    schema.check("x")
    with pytest.raises(AnswerRefused):
        schema.check(1)


def test_schemas_are_bounded():
    with pytest.raises(LimitExceeded, match="answer_schema_bytes"):
        compile_schema({"description": "x" * 70_000})
    deep = True
    for _ in range(60):
        deep = {"not": deep}
    with pytest.raises(LimitExceeded, match="max_value_depth"):
        compile_schema(deep)
    with pytest.raises(BadValue):
        compile_schema({"const": float("nan")})
    with pytest.raises(BadSchema, match="more than 32 patterns"):
        compile_schema({"allOf": [{"pattern": f"a{number}"} for number in range(33)]})
    with pytest.raises(BadSchema, match="more than 32 patterns"):
        compile_schema({"patternProperties": {f"a{number}": True for number in range(33)}})


def test_format_is_an_annotation_in_every_draft():
    for draft in ("draft/2020-12", "draft-07"):
        schema = {"$schema": f"https://json-schema.org/{draft}/schema", "format": "regex"}
        compile_schema(schema).check("(")


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(?<!a)b", r"(a)\1", r"((a{1000}){1000}){1000}", "("])
@pytest.mark.parametrize("around", [lambda p: {"pattern": p}, lambda p: {"patternProperties": {p: True}}])
def test_patterns_that_need_more_than_linear_time_or_much_room_are_refused(pattern, around):
    with pytest.raises(BadSchema) as caught:
        compile_schema({"properties": {"x": around(pattern)}})
    assert "answer schema /properties/x/pattern" in caught.value.where
    assert "look-around" in caught.value.fix


def test_an_answer_too_large_for_its_schema_is_refused_and_not_tried():
    many = [0] * MAX_LOOKS
    assert "too large" in reason({"items": {"type": "integer"}}, many).what
    assert "too large" in reason({"items": {"pattern": "x"}}, ["x" * (MAX_MATCHED + 1)]).what
    compile_schema({"items": {"type": "string"}}).check(["x" * (MAX_MATCHED + 1)])
    compile_schema({"properties": {"id": {"pattern": "^a"}}}).check({"id": "a" * 1_000})


def test_a_large_answer_that_does_not_fit_is_refused_without_a_place():
    assert "too large to say where" in reason({"items": {"type": "integer"}}, [0] * 30_000 + ["x"]).what


def test_compiled_schemas_are_kept_bounded():
    answer_schema._compiled.cache_clear()
    first = compile_schema({"type": "integer", "minimum": 1})
    assert compile_schema({"minimum": 1, "type": "integer"}) is first
    for number in range(100):
        compile_schema({"const": number})
    assert answer_schema._compiled.cache_info().currsize == 32


def test_the_library_is_loaded_when_the_first_schema_comes():
    program = (
        "import sys, skep, skep.engine.questions.answer_schema as schemas\n"
        "from skep import Engine\n"
        "assert 'jsonschema_rs' not in sys.modules\n"
        "schemas.compile_schema(True)\n"
        "assert 'jsonschema_rs' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


_WORDS = [
    "type", "enum", "const", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "properties", "items",
    "prefixItems", "patternProperties", "additionalProperties", "unevaluatedProperties", "unevaluatedItems",
    "contains", "minContains", "propertyNames", "required", "dependentSchemas", "dependencies", "pattern",
    "minLength", "multipleOf", "uniqueItems", "$ref", "$id", "$anchor", "$defs", "$schema", "$vocabulary",
    "format", "contentEncoding", "a", "b",
]  # fmt: skip
_leaves = st.sampled_from(
    [None, True, False, 0, 1, -1.5, 2**63, "", "a", "#", "#/$defs/a", "#/a", "http://x/", "string", "object", "^a", "("]
)  # fmt: skip
_json = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=4),
    max_leaves=25,
)


@given(_json, st.lists(_json, min_size=1, max_size=3))
def test_whatever_comes_is_checked_or_refused_by_name(schema, answers):
    said = []
    try:
        compiled = compile_schema(schema)
    except (BadSchema, BadValue, LimitExceeded) as error:
        said.append(str(error))
    else:
        for answer in answers:
            try:
                compiled.check(answer)
            except AnswerRefused as error:
                said.append(str(error))
    assert all(line.isprintable() for line in said)
