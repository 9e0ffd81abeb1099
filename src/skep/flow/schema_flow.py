"""JSON Schema of nodes and expressions, from the grammar's table: every form that is read, described."""

from __future__ import annotations

from typing import Any, Literal, get_args

from skep.flow.audience import AUDIENCE_PATTERN
from skep.flow.grammar import NODES, OPS, Field, Form, Shape
from skep.flow.nodes import Join
from skep.flow.spellings import SPELLINGS
from skep.flow.waiting import SIGNAL_NAME

Schema = dict[str, Any]

_NAME = r"^[^\d\s./\[\]-][^\s/\[\]]{0,63}$"  # looser than `keys.is_name`: dialects differ about letters


def ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


_AUDIENCE: Schema = {"type": "string", "pattern": AUDIENCE_PATTERN}

_FORMS: dict[Form, Schema] = {
    "expr": ref("Expr"),
    "exprs": {"type": "array", "items": ref("Expr")},
    "some_exprs": {"type": "array", "items": ref("Expr"), "minItems": 1},
    "expr_map": {"type": "object", "additionalProperties": ref("Expr")},
    "path": ref("Path"),
    "path_text": {"type": "string", "pattern": r"^\$"},
    "node": ref("Node"),
    "nodes": {"type": "array", "items": ref("Node")},
    "node_map": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": _NAME},
        "additionalProperties": ref("Node"),
    },
    "cases": {"type": "array", "minItems": 1, "items": ref("Case")},
    "value": {},
    "text": {"type": "string", "minLength": 1},
    "template": {"type": "string"},
    "id": {"type": "string", "pattern": _NAME},
    "join": {"enum": list(get_args(Join))},
    "retry": ref("RetryPolicy"),
    "seconds": {"type": "number", "exclusiveMinimum": 0},
    "turns": {"type": "integer", "minimum": 0},
    "lanes": {"type": "integer", "minimum": 1},
    "audience": {"anyOf": [_AUDIENCE, {"type": "array", "items": _AUDIENCE, "minItems": 1}]},
    "schema": {"type": "object"},
    "on_timeout": {"anyOf": [{"const": "fail"}, ref("OnTimeout")]},
    "flag": {"type": "boolean"},
    "signal": {"type": "string", "pattern": f"^{SIGNAL_NAME.pattern}$"},
}

_FIELDS: dict[str, str] = {
    "id": "The node's name in step keys, instead of its number.",
    "ref": "The agent that does the work.",
    "in": "What the agent gets.",
    "out": "Where the result is written.",
    "retry": "When a failed attempt is tried again; replaces the agent's policy.",
    "timeout": "Seconds for one attempt.",
    "children": "Nodes, one after the other.",
    "cond": "A branch needs a boolean; a loop goes on while it is neither null nor false.",
    "then": "What runs if it is true.",
    "else": "What runs if it is false; nothing by default.",
    "on": "The value that cases are compared with.",
    "cases": "The first whose value is equal is taken.",
    "default": "What runs when no case is taken; without it that is an error.",
    "counter": "Where the number of the turn is written, from 0.",
    "body": "What runs inside.",
    "max": "At most this many turns.",
    "items": "An array: one lane for each member.",
    "bind": "Where a lane finds its member.",
    "join": "all, any (first success), race (first end) or all_settled.",
    "max_concurrency": "How many lanes run at once; all by default.",
    "select": "What a lane hands back; its whole ctx by default.",
    "branches": "Nodes by name, side by side, each on a ctx of its own.",
    "catch": "What runs when the body failed; its writes are undone.",
    "err_at": "Where the error's text is written.",
    "value": "A constant, or what is written.",
    "at": "A path, such as $.a.b[0].",
    "lhs": "The left side.",
    "rhs": "The right side.",
    "arg": "What it is applied to.",
    "args": "What it is applied to.",
    "needle": "What is looked for: an item, a key or a part of a text.",
    "haystack": "Where it is looked for: an array, an object or a text.",
    "fields": "An expression for each member.",
    "of": "An array or an object.",
    "skip_if": "If true, nothing is dispatched and nothing written; must be a boolean.",
    "question": "What is asked: a text, or any value.",
    "audience": "Who may answer: role:senior, seat:NAME or principal:NAME, or a list of alternatives.",
    "schema": "A JSON Schema that the answer must fit.",
    "deadline": "Seconds until it is too late to answer.",
    "on_timeout": "What happens then: fail (default), or {value: ...} as the answer.",
    "approval": "Whether somebody other than who started the run must answer.",
    "allow_self": "Whether who started the run may approve, too.",
    "for": "Seconds to wait.",
    "until": "The moment to wait for: seconds since 1970, or text such as '2030-01-31T08:00:00Z'.",
    "signal": "The name of the signal to wait for.",
    "template": "A text in which each {} is replaced in turn.",
}
"""What editors say about a field, by its name."""


def flow_definitions() -> dict[str, Schema]:
    """The definitions `Node`, `Expr`, `Path`, `OnTimeout` and `Case`, and one for each node and op."""
    definitions: dict[str, Schema] = {
        "Node": {
            "description": "One node; a list of nodes is a seq.",
            "anyOf": [_FORMS["nodes"], *(ref(f"Node_{word}") for word in NODES)],
        },
        "Expr": {
            "description": "A text such as $.n < 3 and not $.done; a constant; an object of expressions.",
            "anyOf": [
                {"type": ["string", "number", "boolean", "null", "array"]},
                {"type": "object", "properties": {"op": False}, "additionalProperties": ref("Expr")},
                *(ref(f"Op_{word}") for word in OPS),
            ],
        },
        "Path": {
            "description": "Where to write, such as $.a.b[0].",
            "anyOf": [_FORMS["path_text"], ref("Op_path")],
        },
        "OnTimeout": _object({"value": described({}, "The answer when nobody has answered.")}, ["value"]),
        "Case": _object({"value": described({}, _FIELDS["value"]), "body": ref("Node")}, ["value", "body"]),
    }
    definitions.update({f"Node_{word}": _node(shape) for word, shape in NODES.items()})
    definitions.update({f"Op_{word}": _tagged("op", shape) for word, shape in OPS.items()})
    return definitions


def described(schema: Schema, text: str) -> Schema:
    return {"description": text, **schema}


def _node(shape: Shape) -> Schema:
    """With `kind`, or by the node's word: its fields under the word or beside it."""
    words = [shape.word, *_old("node", shape.word)]
    return described(
        {"anyOf": [_tagged("kind", shape), *(_worded(word, shape) for word in words)]},
        (shape.type.__doc__ or shape.word).strip().splitlines()[0],
    )


def _tagged(tag: Literal["kind", "op"], shape: Shape) -> Schema:
    words = [shape.word, *_old("node" if tag == "kind" else "op", shape.word)]
    properties = {tag: described({"enum": words}, f"Says that this is a {shape.word}."), **_properties(shape)}
    renamed = {spelling.new for spelling in SPELLINGS if spelling.of == shape.word}
    required = [field.name for field in shape.fields if field.required and field.name not in renamed]
    return _object(properties, [tag, *required])


def _worded(word: str, shape: Shape) -> Schema:
    primary = shape.field(shape.primary)
    forms: list[Schema] = [{"type": "null"}, _object(_properties(shape), [])]
    if primary is not None:
        forms.append(_FORMS[primary.form])
    text = f"{_FIELDS[shape.primary]} Or all fields of the {shape.word}."
    return _object({word: described({"anyOf": forms}, text), **_properties(shape)}, [word])


def _properties(shape: Shape) -> dict[str, Schema]:
    properties = {field.name: _field(field) for field in shape.fields}
    for spelling in SPELLINGS:
        if spelling.where == "field" and spelling.of == shape.word:
            properties[spelling.old] = {**properties[spelling.new], "deprecated": True}
    return properties


def _field(field: Field) -> Schema:
    form = _FORMS[field.form]
    return described(form if field.required else {"anyOf": [form, {"type": "null"}]}, _FIELDS[field.name])


def _old(where: str, word: str) -> list[str]:
    return [spelling.old for spelling in SPELLINGS if spelling.where == where and spelling.new == word]


def _object(properties: dict[str, Schema], required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
