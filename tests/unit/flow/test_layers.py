"""Hints with options: reading, the canonical form, the schema, the builder, and the call order."""

from __future__ import annotations

import jsonschema_rs
import pytest

from skep import flow
from skep.errors import BlueprintError
from skep.flow.blueprint import parse_blueprint
from skep.flow.call_order import AgentCalls, LayerCall, call_order
from skep.flow.catalog import Catalog, HintInfo
from skep.flow.parts import LayerHint
from skep.flow.schema import blueprint_schema
from skep.flow.version import canonical_document, version

HOLD = {"long_hold": {"default_hold": 5}}


def document(*layers, **fields):
    return {"id": "x", "flow": [], "spawner_hints": {"layers": list(layers)}, **fields}


def read(*layers):
    return parse_blueprint(document(*layers))


def test_a_hint_is_a_key_or_a_key_with_options():
    assert read("audit", HOLD).spawner_hints.layers == (
        LayerHint("audit"),
        LayerHint("long_hold", {"default_hold": 5}),
    )


def test_no_options_and_empty_ones_are_the_same_version():
    assert version(read("audit")) == version(read({"audit": {}})) == version(read({"audit": None}))
    assert version(read("audit")) != version(read({"audit": {"n": 1}}))


def test_the_canonical_form_reads_back():
    written = canonical_document(read({"audit": {}}, HOLD))
    assert written["spawner_hints"] == {"layers": ["audit", HOLD]}
    assert parse_blueprint(written) == read("audit", HOLD)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (5, r"layers\[0\]: E-FIELD-TYPE expected a layer, got number"),
        ({}, "a layer has one key, this has 0"),
        ({"a": {}, "b": {}}, "a layer has one key, this has 2"),
        ({"a": [1]}, r"layers\[0\].a: E-FIELD-TYPE options are an object, not array"),
    ],
)
def test_what_is_no_layer(layer, text):
    with pytest.raises(BlueprintError, match=text):
        read(layer)


def test_the_schema_for_editors_says_the_same():
    valid = jsonschema_rs.validator_for(blueprint_schema()).is_valid
    assert valid(document("audit", HOLD, {"audit": None}))
    for layer in (5, {}, {"a": {}, "b": {}}, {"a": [1]}):
        assert not valid(document(layer))


def test_the_builder_makes_hints():
    made = flow.blueprint(
        "x", [], spawner_hints={"layers": [flow.layer("audit"), flow.layer("long_hold", default_hold=5)]}
    )
    assert made == read("audit", HOLD)


def test_the_call_order_is_that_of_a_spawn():
    catalog = Catalog(
        hints=[HintInfo(key="audit", what="counts"), HintInfo(key="long_hold")],
        base=[HintInfo(key="b1"), HintInfo(key="b2")],
    )
    agents = [{"name": name, "kind": "python"} for name in "fg"]
    given = document("audit", "nope", HOLD, agents=agents, metadata={"project_name_alias": "hive"})
    given["flow"] = [{"step": name, "in": "$", "out": "$.a"} for name in "ghg"]
    layers = (
        LayerCall("project_name_alias", "alias", "says the project's name"),
        LayerCall("long_hold", "hint", "", {"default_hold": 5}),
        LayerCall("audit", "hint", "counts"),
        LayerCall("b2", "base"),
        LayerCall("b1", "base"),
    )
    expected = [
        AgentCalls("f", "python", layers),
        AgentCalls("g", "python", layers),
        AgentCalls("h", "registered", layers),
    ]
    assert call_order(parse_blueprint(given), catalog) == expected
