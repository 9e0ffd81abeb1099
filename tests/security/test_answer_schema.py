"""Schemas and answers that mean harm: no network, no file, no time, no stack."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import suppress

import pytest

from skep.engine.questions.answer_schema import MAX_MATCHED, compile_schema
from skep.errors import AnswerRefused, BadSchema

REFERENCES = [
    "http://127.0.0.1:{port}/schema.json",
    "//127.0.0.1:{port}/schema.json",
    "file://{file}",
    "{file}",
    "file:schema.json",
    "https://json-schema.org/draft/2020-12/schema",
]


@pytest.fixture
def server():
    """A port that counts who connects."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        done = threading.Event()

        def accept():
            while not done.is_set():
                try:
                    connection, address = listener.accept()
                except TimeoutError:
                    continue
                calls.append(address)
                connection.close()

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1], calls
        done.set()
        thread.join()


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize(
    "place",
    [
        lambda ref: {"$ref": ref},
        lambda ref: {"properties": {"x": {"$ref": ref}}},
        lambda ref: {"$defs": {"x": {"$ref": ref}}, "items": {"$ref": "#/$defs/x"}},
        lambda ref: {"$id": ref, "$ref": "other.json"},
        lambda ref: {"$id": "http://127.0.0.1/base", "allOf": [{"$id": ref, "$ref": "#/x"}]},
        lambda ref: {"$dynamicRef": ref},
        lambda ref: {"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveRef": ref},
        lambda ref: {"$schema": ref},
    ],
)
def test_nothing_is_fetched_and_no_file_is_read(server, tmp_path, reference, place):
    port, calls = server
    file = tmp_path / "schema.json"
    file.write_text('{"type": "string"}')
    ref = reference.format(port=port, file=file)
    if place("") == {"$schema": ""} and ref.startswith("https://json-schema.org"):
        pytest.skip("the one that is known")
    with pytest.raises(BadSchema):
        compile_schema(place(ref))
    assert calls == []


def test_a_reference_that_no_way_leads_to_fetches_nothing_either(server):
    port, calls = server
    schema = {"$defs": {"x": {"$ref": f"http://127.0.0.1:{port}/"}}, "type": "string"}
    with suppress(BadSchema):
        compile_schema(schema).check("x")
    assert calls == []


def seconds(schema, value, times=3):
    """The best of some: the processor is shared."""
    compiled = compile_schema(schema)
    best = float("inf")
    for _ in range(times):
        begun = time.perf_counter()
        with pytest.raises(AnswerRefused):
            compiled.check(value)
        best = min(best, time.perf_counter() - begun)
    return best


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "^(a*)*b$", "(x+x+)+y", "(.*a){20}$"]
)
def test_a_pattern_that_explodes_elsewhere_takes_linear_time(pattern):
    # By backtracking, 30 characters would take minutes, and each further one twice as long.
    short, long = "a" * 2_000 + "!", "a" * 32_000 + "!"
    assert seconds({"pattern": pattern}, long) < 100 * max(seconds({"pattern": pattern}, short), 1e-4)


def test_the_worst_pattern_on_the_longest_text_is_soon_done():
    rng = random.Random(1)  # noqa: S311 - a fixed text
    text = "".join(rng.choice("ab") for _ in range(MAX_MATCHED))
    assert seconds({"pattern": "(a|b)*a(a|b){450}c"}, text, times=1) < 20


def doubling(turns, word):
    parts = {f"d{n}": {word: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(turns)}
    return {"$defs": {**parts, f"d{turns}": {"type": "integer"}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_references_that_double_are_refused_when_asked_with_or_answered_soon(word):
    with pytest.raises(BadSchema, match="too many ways"):
        compile_schema(doubling(40, word))
    with pytest.raises(AnswerRefused):
        compile_schema(doubling(15, word)).check("x")


def test_parts_that_ask_what_was_not_looked_at_multiply_within_bounds():
    def nested(levels):
        schema = {"properties": {"a": True}}
        for _ in range(levels):
            schema = {"allOf": [schema], "unevaluatedProperties": False}
        return compile_schema(schema)

    nested(6).check({"a": 1})
    with pytest.raises(BadSchema, match="too many ways"):
        nested(12)


def test_a_schema_that_doubles_with_each_level_takes_shallow_answers_only():
    schema = compile_schema({"allOf": [{"properties": {"a": {"$ref": "#"}}}] * 2})
    schema.check({"a": {"a": 1}})
    deep = 1
    for _ in range(60):
        deep = {"a": deep}
    with pytest.raises(AnswerRefused, match="too large"):
        schema.check(deep)


def test_chains_of_references_do_not_exhaust_the_stack():
    parts = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(1_500)}
    parts["d1500"] = {"properties": {"a": {"$ref": "#/$defs/d0"}}}
    with pytest.raises(BadSchema, match="follow each other"):
        compile_schema({"$defs": parts, "$ref": "#/$defs/d0"})
    parts = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(40)}
    parts["d40"] = {"properties": {"a": {"$ref": "#/$defs/d0"}}}
    schema = compile_schema({"$defs": parts, "$ref": "#/$defs/d0"})
    deep = 1
    for _ in range(100):
        deep = {"a": deep}
    with pytest.raises(AnswerRefused, match="too large"):
        schema.check(deep)
    schema.check({"a": {"a": 1}})


def test_answers_as_deep_as_values_may_be_pass():
    deep = 1
    for _ in range(100):
        deep = {"a": [deep]} if type(deep) is int else {"a": deep}
    compile_schema({"properties": {"a": {"anyOf": [{"$ref": "#"}, {"type": "integer"}]}}}).check(deep)


def test_an_answer_that_is_too_deep_for_the_schema_leaves_room_for_others():
    leaves = {f"k{n}": {"type": "string"} for n in range(450)}
    tree = {"properties": leaves, "additionalProperties": {"$ref": "#"}}
    schema = compile_schema({"$defs": {"tree": tree}, **tree})
    deep = {"a": 1}
    for _ in range(60):
        deep = {"a": deep}
    for _ in range(2):
        with pytest.raises(AnswerRefused, match="nested 61 deep"):
            schema.check(deep)
    for fits in ({"k1": "x"}, 1, {"a": {"k1": "x"}}, {"a": {"b": {"c": {"k2": "x"}}}}):
        schema.check(fits)
    with pytest.raises(AnswerRefused, match="string"):
        schema.check({"a": {"k1": 1}})
