"""Reading nodes: the canonical form with `kind`, and the form that people write.

A mapping with exactly one node word is that node. Preferred is `step: AGENT` with its fields beside
it, `seq:` with a list, and for every other node the fields under the word:

    seq:
      - step: review
        in: $.file
        out: $.review
      - branch:
          cond: $.review.ok
          then: {step: publish, in: $.review, out: $.url}

Fields may as well stand under `step:` (its agent is `ref` there) or beside any other word; the word itself
may hold the node's main field (`loop: $.n < 3`, `fanout: $.files`). A list where a node belongs is a `seq`.
"""

from __future__ import annotations

from typing import Any

from skep.flow.equality import equal
from skep.flow.grammar import NODES, Shape
from skep.flow.nodes import Case, Node, Seq
from skep.flow.problems import did_you_mean, inside
from skep.flow.read_asking import fitting
from skep.flow.read_expr import read_value
from skep.flow.read_scalars import read_id
from skep.flow.reader import INVALID, Given, Invalid, Reader
from skep.flow.spellings import NODES_NOT_YET, newest
from skep.values import type_name, type_of


def read_node(reader: Reader, document: Any, place: str, room: int) -> Node | Invalid:
    if not reader.enter(place, room):
        return INVALID
    kind = type_of(document)
    if kind is list:
        children = read_nodes(reader, document, place, room - 1)
        return children if isinstance(children, Invalid) else Seq(children=children)
    if kind is not dict:
        fix = "write {step: AGENT, in: ..., out: ...} or another node"
        return reader.report(place, "E-FIELD-TYPE", f"expected a node, got {type_name(document)}", fix)
    key = "kind" if "kind" in document else _word_key(reader, document, place)
    if key is None:
        return INVALID
    shape = _shape(reader, document["kind"] if key == "kind" else key, inside(place, key))
    if shape is None:
        return INVALID
    fields: dict[str, Given] = {}
    complete = reader.gather(shape, fields, document, place, skip=key)
    if key != "kind":
        complete = _word_value(reader, shape, fields, document[key], inside(place, key)) and complete
    return fitting(reader, reader.build(shape, fields, place, room - 1, complete=complete), place)


def _word_key(reader: Reader, document: dict[Any, Any], place: str) -> str | None:
    """The one key that is a node's word."""
    keys = [key for key in document if type_of(key) is str]
    words = [key for key in keys if newest("node", key) in NODES or key in NODES_NOT_YET]
    if len(words) == 1:
        return words[0]
    if words:
        shown = ", ".join(words)
        reader.report(
            place, "E-NODE-AMBIGUOUS", f"more than one node here: {shown}", "put them in a list, one each"
        )
        return None
    near = next(
        (fix for fix in (did_you_mean(key[:60], _WORDS) for key in keys) if fix and "did" in fix), None
    )
    shown = ", ".join(str(key)[:60] for key in list(document)[:8]) or "nothing"
    fix = near or f"a node is one of {', '.join(_WORDS)}"
    reader.report(place, "E-NODE-UNKNOWN", f"no node word among: {shown}", fix)
    return None


_WORDS = sorted(NODES)


def _shape(reader: Reader, word: Any, place: str) -> Shape | None:
    name = newest("node", word) if type_of(word) is str else ""
    if name in NODES_NOT_YET:
        reader.report(place, "E-NODE-NOT-YET", f"node {name!r} is planned, not built yet")
    elif name not in NODES:
        fix = did_you_mean(name[:60], _WORDS)
        reader.report(place, "E-NODE-UNKNOWN", f"unknown node kind {str(word)[:60]!r}", fix)
    return NODES.get(name)


def _word_value(reader: Reader, shape: Shape, fields: dict[str, Given], value: Any, place: str) -> bool:
    """Take what stands under the node's word: its fields, or its primary field."""
    if value is None:
        return True
    if type_of(value) is dict and _holds_fields(shape, value):
        return reader.gather(shape, fields, value, place)
    return reader.take(shape, fields, shape.primary, Given(value, place, shape.primary))


def _holds_fields(shape: Shape, value: dict[Any, Any]) -> bool:
    """Whether a mapping under a node's word holds its fields, not its primary field."""
    primary = shape.field(shape.primary)
    if "op" in value or "kind" in value or primary is None:
        return False
    if primary.form == "node":
        return not any(newest("node", key) in NODES or key in NODES_NOT_YET for key in value)
    return primary.form != "node_map" or primary.name in value


# -- forms -------------------------------------------------------------------------------------


def read_nodes(reader: Reader, document: Any, place: str, room: int) -> tuple[Node, ...] | Invalid:
    if type_of(document) is not list:
        return reader.report(place, "E-FIELD-TYPE", f"expected a list of nodes, got {type_name(document)}")
    children: list[Node] = []
    first_with: dict[str, str] = {}
    for index, child in enumerate(document):
        at = inside(place, index)
        node = read_node(reader, child, at, room)
        if isinstance(node, Invalid):
            continue
        children.append(node)
        if node.id is not None and first_with.setdefault(node.id, at) != at:
            message = f"id {node.id!r} belongs to {first_with[node.id]} already"
            reader.report(at, "E-ID-DUPLICATE", message, "give each child of a seq an id of its own")
    return tuple(children) if len(children) == len(document) else INVALID


def read_node_map(reader: Reader, document: Any, place: str, room: int) -> dict[str, Node] | Invalid:
    fix = "write branches: {NAME: {step: ...}}"
    if type_of(document) is not dict:
        return reader.report(place, "E-FIELD-TYPE", f"expected branches, got {type_name(document)}", fix)
    if not document:
        return reader.report(place, "E-FIELD-RANGE", "at least one branch is needed", fix)
    branches: dict[str, Node] = {}
    for key, child in document.items():
        name = read_id(reader, key, inside(place, str(key)), room)
        node = read_node(reader, child, inside(place, str(key)), room)
        if not isinstance(name, Invalid) and not isinstance(node, Invalid):
            branches[name] = node
    return branches if len(branches) == len(document) else INVALID


def read_cases(reader: Reader, document: Any, place: str, room: int) -> tuple[Case, ...] | Invalid:
    if type_of(document) is not list:
        fix = "write cases: [{value: pass, body: ...}]"
        return reader.report(
            place, "E-FIELD-TYPE", f"expected a list of cases, got {type_name(document)}", fix
        )
    if not document:
        return reader.report(place, "E-FIELD-RANGE", "at least one case is needed")
    cases: list[Case] = []
    for index, item in enumerate(document):
        case = _case(reader, item, inside(place, index), room)
        if isinstance(case, Invalid):
            continue
        if any(equal(case.value, earlier.value) for earlier in cases):
            reader.report(
                inside(place, index), "E-CASE-DUPLICATE", "an earlier case has this value", "remove one"
            )
        cases.append(case)
    return tuple(cases) if len(cases) == len(document) else INVALID


def _case(reader: Reader, document: Any, place: str, room: int) -> Case | Invalid:
    if type_of(document) is not dict or document.keys() != {"value", "body"}:
        fix = "write {value: CONSTANT, body: NODE}"
        return reader.report(place, "E-FIELD-TYPE", "a case has a value and a body, nothing else", fix)
    value = read_value(reader, document["value"], inside(place, "value"), room)
    body = read_node(reader, document["body"], inside(place, "body"), room)
    return INVALID if isinstance(value, Invalid) or isinstance(body, Invalid) else Case(value, body)
