"""Reading agents: the published list, or an object by name with a short form for Python.

    agents:
      scan: review.agents:scan          # the same as {kind: python, spec: {callable: "review.agents:scan"}}
      lint: {kind: subprocess, spec: {program: ruff}}

An object has no order, so its agents are taken by name.
"""

from __future__ import annotations

import re
from typing import Any

from skep.flow.agents import AgentDef
from skep.flow.problems import Problem, inside
from skep.flow.spellings import newest
from skep.flow.struct_reader import StructReader
from skep.values import type_of

_CALLABLE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def read_agents(
    reader: StructReader, document: Any, place: str, default_kind: Any
) -> tuple[AgentDef, ...] | None:
    """The agents of a Blueprint; `default_kind` is what its document says about agents that name no kind."""
    kind = type_of(document)
    if kind is list:
        found = [
            _read(reader, agent, inside(place, number), default_kind) for number, agent in enumerate(document)
        ]
    elif kind is dict:
        found = [_read_named(reader, name, document[name], place, default_kind) for name in sorted(document)]
    else:
        fix = "write a list, or an object by name"
        return _refuse(reader, place, "E-FIELD-TYPE", "expected agents", fix)
    agents = tuple(agent for agent in found if agent is not None)
    return agents if len(agents) == len(found) else None


def _read_named(
    reader: StructReader, name: str, document: Any, place: str, default_kind: Any
) -> AgentDef | None:
    at = inside(place, name)
    if type_of(document) is str:
        if _CALLABLE.fullmatch(document) is None:
            fix = "write it like package.module:function, or an object with kind and spec"
            return _refuse(reader, at, "E-FIELD-FORM", f"{document[:60]!r} names no Python callable", fix)
        document = {"kind": "python", "spec": {"callable": document}}
    if type_of(document) is dict:
        if document.get("name", name) != name:
            message = f"the agent under {name!r} is named {str(document['name'])[:60]!r}"
            return _refuse(reader, inside(at, "name"), "E-FIELD-FORM", message, "use one name for both")
        document = {**document, "name": name}
    return _read(reader, document, at, default_kind)


def _read(reader: StructReader, document: Any, place: str, default_kind: Any) -> AgentDef | None:
    if type_of(document) is dict:
        kind = document.get("kind", default_kind)
        if type_of(kind) is str:
            document = {**document, "kind": newest("agent kind", kind)}
    return reader.struct(AgentDef, document, place)


def _refuse(reader: StructReader, place: str, code: str, message: str, fix: str) -> None:
    reader.problems.append(Problem(place, code, message, fix))
