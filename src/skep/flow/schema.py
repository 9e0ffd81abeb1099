"""JSON Schema 2020-12 of a Blueprint as people write it, for editors.

Generated from the types and tables that reading uses. Whether expressions parse, names resolve and kinds
exist is for lint.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from skep.flow.blueprint import Blueprint
from skep.flow.schema_flow import Schema, described, flow_definitions, ref

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def blueprint_schema() -> Schema:
    """The schema as a plain document.

    >>> blueprint_schema()["$defs"]["AgentDef"]["properties"]["timeout"]["description"]
    'Seconds for one attempt.'
    """
    _, found = msgspec.json.schema_components([Blueprint], ref_template="#/$defs/{name}")
    parts = cast("dict[str, Schema]", found)
    for part in parts.values():
        _close(part)
    parts["Blueprint"]["properties"]["agents"] = _agents(parts["Blueprint"]["properties"]["agents"])
    parts["AgentDef"]["properties"]["$agent_md"] = described(
        {"type": "string"}, "An agent.md file that it comes from."
    )
    parts["AgentDef"]["required"] = []
    parts["LayerHint"] = _layer_hint()
    for part, fields in _RETRY.items():
        for name, (text, bounds) in fields.items():
            parts[part]["properties"][name] |= {"description": text, **bounds}
    parts["FileRef"] = _file_ref()
    parts |= flow_definitions()
    return {"$schema": DIALECT, "title": "skep Blueprint", **ref("Blueprint"), "$defs": parts}


_SECONDS: Schema = {"minimum": 0, "maximum": 1e9}
_RETRY: dict[str, dict[str, tuple[str, Schema]]] = {
    "RetryPolicy": {
        "max_attempts": ("Attempts in all, the first included.", {"minimum": 1}),
        "backoff": ("How long to wait between attempts.", {}),
        "on": ("After what to try again.", {}),
    },
    "Backoff": {
        "initial": ("Seconds before the second attempt.", _SECONDS),
        "factor": ("What each wait is multiplied by.", _SECONDS),
        "max": ("The longest wait, in seconds.", _SECONDS),
    },
}


def _close(part: Schema) -> None:
    """No other fields; a file may stand for any text; defaults only where they are plain."""
    part["additionalProperties"] = False
    for name, schema in part["properties"].items():
        if isinstance(schema.get("default"), (dict, list, tuple)) or schema.get("default", 0) is None:
            del schema["default"]
        part["properties"][name] = _or_file(schema)


def _or_file(schema: Schema) -> Schema:
    """A text may come from a file; so may the texts in a list."""
    if schema.get("type") == "array":
        return {**schema, "items": _or_file(schema["items"])}
    if schema.get("type") == "string":
        outer = {key: schema[key] for key in ("description", "default") if key in schema}
        return {
            **outer,
            "anyOf": [{key: item for key, item in schema.items() if key not in outer}, ref("FileRef")],
        }
    if "anyOf" in schema and {"type": "string"} in schema["anyOf"]:
        return {**schema, "anyOf": [*schema["anyOf"], ref("FileRef")]}
    return schema


def _agents(listed: Schema) -> Schema:
    """A list, each with a name of its own or from its file; or an object by name, Python in short."""
    named = [{"required": ["name"]}, {"required": ["$agent_md"]}]
    short: Schema = {
        "type": "string",
        "pattern": r"^[^:\s]+:[^:\s]+$",
        "description": "package.module:function",
    }
    return {
        "description": listed["description"],
        "anyOf": [
            {"type": "array", "items": {**ref("AgentDef"), "anyOf": named}},
            {"type": "object", "additionalProperties": {"anyOf": [short, ref("AgentDef")]}},
        ],
    }


def _layer_hint() -> Schema:
    options: Schema = {"type": ["object", "null"], "description": "What the layer is told."}
    with_options: Schema = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": options,
    }
    return {
        "description": "A layer: its key, or its key with options.",
        "anyOf": [{"type": "string"}, with_options],
    }


def _file_ref() -> Schema:
    path: dict[str, Any] = {"type": "string", "description": "A path below the Blueprint's folder."}
    return {
        "description": "The text of a file.",
        "type": "object",
        "properties": {"$file": path},
        "required": ["$file"],
        "additionalProperties": False,
    }
