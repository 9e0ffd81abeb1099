from __future__ import annotations

import pytest

from skep.engine.questions.schema_work import MAX_CHAIN, SchemaWork
from skep.errors import BadSchema


def looks(schema, depth=0):
    return SchemaWork(schema).at(depth).looks


def doubling(turns, word):
    """Each part asks the next one twice."""
    parts = {f"d{n}": {word: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(turns)}
    return {"$defs": {**parts, f"d{turns}": {"type": "integer"}}, "$ref": "#/$defs/d0"}


def test_every_way_counts():
    assert looks(True) == looks({}) == 1
    assert looks({"allOf": [{}, {}], "not": {}, "if": {}, "then": True}) == 6
    assert looks({"enum": [1, 2, 3], "required": ["a"]}) == 5
    assert looks({"dependentSchemas": {"a": {}, "b": {"anyOf": [{}]}}}) == 4
    assert looks({"$defs": {"x": {}}, "$ref": "#/$defs/x"}) == 2


def test_a_value_costs_its_own_part_and_those_it_lies_in():
    schema = {"properties": {"a": {}, "b": {"allOf": [{}, {}]}}, "additionalProperties": {}, "items": {}}
    assert [looks(schema, depth) for depth in (0, 1, 2)] == [1, 5, 5]
    assert looks({"prefixItems": [{}, {"not": {}}], "items": {}, "contains": {}}, 1) == 4
    assert looks({"items": [{}, {"not": {}}], "additionalItems": {}}, 1) == 4
    assert looks({"patternProperties": {"a": {}, "b": {}}, "propertyNames": {}}, 1) == 6
    assert looks({"allOf": [{}], "unevaluatedProperties": {}}) == 8


def test_patterns_are_counted_on_their_way():
    schema = {"pattern": "a", "items": {"allOf": [{"pattern": "b"}, {"patternProperties": {"c": {}}}]}}
    assert [SchemaWork(schema).at(depth).patterns for depth in (0, 1)] == [1, 3]


def test_a_tree_that_names_itself_grows_with_the_depth_only():
    tree = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert [looks(tree, depth) for depth in (0, 10, 90)] == [1, 21, 181]


@pytest.mark.parametrize("word", ["allOf", "anyOf", "oneOf"])
def test_ways_that_double_are_known_without_going_them(word):
    assert looks(doubling(60, word)) > 2**60


def test_what_doubles_with_the_depth_is_known_for_each_depth():
    both = [{"properties": {"a": {"$ref": "#"}}}] * 2
    work = SchemaWork({"allOf": both})
    assert work.at(3).looks < 100
    assert work.at(90).looks > 2**90


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"not": {"$ref": "#/allOf/0"}}]},
        {
            "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
            "properties": {"x": {"$ref": "#/$defs/a"}},
        },
        {"dependentSchemas": {"a": {"$ref": "#"}}},
    ],
)
def test_a_circle_is_refused(schema):
    with pytest.raises(BadSchema, match="back to itself"):
        SchemaWork(schema).at(1)


def chain(length):
    parts = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(length)}
    parts[f"d{length}"] = {"properties": {"a": {"$ref": "#/$defs/d0"}}}
    return {"$defs": parts, "$ref": "#/$defs/d0"}


def test_a_chain_is_bounded_by_what_the_stack_bears():
    with pytest.raises(BadSchema, match=str(MAX_CHAIN)):
        SchemaWork(chain(MAX_CHAIN)).at(0)
    work = SchemaWork(chain(50))
    for _ in range(2):
        with pytest.raises(BadSchema, match=str(MAX_CHAIN)):
            work.at(7)
    assert work.at(4).chain == 5 * 52, "a refusal leaves nothing behind"


def test_the_longest_chain_that_is_allowed_is_within_our_own_stack():
    assert SchemaWork(chain(MAX_CHAIN - 2)).at(0).chain == MAX_CHAIN


def test_what_is_reckoned_is_bounded():
    work = SchemaWork({"allOf": [{} for _ in range(3_000)], "items": {"$ref": "#"}})
    assert work.at(2).looks > 6_000
    with pytest.raises(BadSchema, match="too many parts"):
        work.at(90)


@pytest.mark.parametrize("ref", ["#/a~1b/0", "#/%24defs/x", "#/list/1", "#/m~0n", "#/a~1b/%30"])
def test_references_are_json_pointers(ref):
    target = {"enum": [1, 2]}
    schema = {"a/b": [target], "$defs": {"x": target}, "list": [{}, target], "m~n": target, "$ref": ref}
    assert looks(schema) == 4


@pytest.mark.parametrize(
    "ref",
    ["#/nope", "#/list/2", "#/list/-1", "#/list/x", "#/list/" + "9" * 5_000, "#/list/\u0661", "#/$ref/x"],
)
def test_a_reference_to_nothing_is_refused(ref):
    with pytest.raises(BadSchema, match="leads nowhere") as caught:
        looks({"list": [{}, {}], "$ref": ref})
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "ref",
    [
        "http://127.0.0.1/x",
        "file:///etc/passwd",
        "other.json",
        "#anchor",
        "https://json-schema.org/draft/2020-12/schema",
        "",
        3,
        None,
    ],
)
def test_a_reference_out_of_the_schema_is_refused(ref):
    with pytest.raises(BadSchema, match="leads out of the schema"):
        looks({"$ref": ref})


def test_what_would_change_the_meaning_of_references_is_refused():
    for part in ({"$dynamicRef": "#x"}, {"$recursiveRef": "#"}, {"not": {"$id": "http://x/"}}):
        with pytest.raises(BadSchema):
            looks(part)
    assert looks({"$id": "http://x/", "$ref": "#/$defs/x", "$defs": {"x": {}}}) == 2
