"""The frame of reading a document: what every form shares.

Problems are collected, never raised, so that one pass reports all of them; depth and number of nodes are
counted, and a document beyond them ends the pass with one problem.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from skep.flow.expr import Expr
from skep.flow.grammar import Form, Shape, measure
from skep.flow.nodes import Node
from skep.flow.problems import Problem, did_you_mean, inside
from skep.flow.spellings import newest
from skep.limits import Limits

MAX_PROBLEMS = 200
"""Problems that one pass lists; a document that has more is not worth reading on."""


class Invalid:
    """What reading gives when it has reported a problem instead."""


INVALID: Final = Invalid()

ReadForm = Callable[["Reader", Any, str, int], Any]
"""`(reader, document, place, room)` to a value or `INVALID`; `room` is the depth that is left."""


class Given(Struct, frozen=True):
    """One field as it stands in the document; `spelled` is the name it has there."""

    value: Any
    place: str
    spelled: str


class Reader:
    """One pass over one document."""

    def __init__(self, problems: list[Problem], limits: Limits, forms: dict[Form, ReadForm]) -> None:
        self.limits = limits
        self._problems = problems
        self._forms = forms
        self._found = 0
        self._nodes = 0
        self._stopped = False

    # -- problems ------------------------------------------------------------------------------

    def report(self, place: str, code: str, message: str, fix: str | None = None) -> Invalid:
        if self._stopped:
            return INVALID
        self._problems.append(Problem(place, code, message, fix))
        self._found += 1
        if self._found == MAX_PROBLEMS:
            self._stop(place, "E-LIMIT", f"more than {MAX_PROBLEMS} problems", "mend these first")
        return INVALID

    def _stop(self, place: str, code: str, message: str, fix: str) -> None:
        self._problems.append(Problem(place, code, message, fix))
        self._found += 1
        self._stopped = True

    @property
    def clean(self) -> bool:
        """Whether this pass has found no problem."""
        return self._found == 0

    # -- bounds --------------------------------------------------------------------------------

    def enter(self, place: str, room: int, nodes: int = 1, height: int = 1) -> bool:
        """Count nodes that stand `height` deep at `place`; False when reading has to stop."""
        if self._stopped:
            return False
        self._nodes += nodes
        if height > room:
            fix = "move inner parts into let nodes, or split the flow"
            self._stop(
                _cut(place), "E-DEPTH", f"nested more than {self.limits.max_blueprint_depth} deep", fix
            )
        elif self._nodes > self.limits.max_blueprint_nodes:
            message = f"more than {self.limits.max_blueprint_nodes:,} nodes and expressions"
            self._stop(place, "E-LIMIT", message, "use loop or fanout instead of copies")
        return not self._stopped

    def enter_parsed(self, parsed: Node | Expr, place: str, room: int) -> bool:
        """As `enter`, for what was read from text and has been counted as one already."""
        count, height = measure(parsed)
        return self.enter(place, room, count - 1, height)

    # -- fields --------------------------------------------------------------------------------

    def gather(
        self,
        shape: Shape,
        fields: dict[str, Given],
        source: dict[Any, Any],
        place: str,
        skip: str | None = None,
    ) -> bool:
        """Add the members of `source` to `fields` under their newest names; False if one does not belong."""
        good = True
        for key, value in source.items():
            if key == skip:
                continue
            at = inside(place, key if type(key) is str else str(key))
            name = newest("field", key, shape.word) if type(key) is str else ""
            good = self.take(shape, fields, name, Given(value, at, str(key))) and good
        return good

    def take(self, shape: Shape, fields: dict[str, Given], name: str, given: Given) -> bool:
        """Add one field; False, with a problem, if it does not belong or stands there already."""
        if shape.field(name) is None:
            fix = did_you_mean(given.spelled[:60], shape.names)
            self.report(
                given.place, "E-FIELD-UNKNOWN", f"{shape.word} has no field {given.spelled[:60]!r}", fix
            )
        elif name in fields:
            message = f"{shape.word} field {name!r} stands at {fields[name].place} already"
            self.report(given.place, "E-FIELD-TWICE", message, "keep one of them")
        else:
            fields[name] = given
            return True
        return False

    def build(self, shape: Shape, fields: dict[str, Given], place: str, room: int, *, complete: bool) -> Any:
        """The node or expression of these fields. Every field is read, whatever else is wrong."""
        held: dict[str, Any] = {}
        good = complete
        for field in shape.fields:
            given = fields.get(field.name)
            if given is not None and (given.value is not None or field.required):
                held[field.attribute] = value = self.read(field.form, given.value, given.place, room)
                good = good and value is not INVALID
            elif field.required:
                fix = f"write {field.example}" if field.example else None
                self.report(place, "E-FIELD-MISSING", f"{shape.word} needs the field {field.name!r}", fix)
                good = False
        return shape.type(**held) if good else INVALID

    def read(self, form: Form, document: Any, place: str, room: int) -> Any:
        return self._forms[form](self, document, place, room)


def _cut(place: str) -> str:
    return place if len(place) <= _PLACE_CHARS else place[:_PLACE_CHARS] + "..."


_PLACE_CHARS = 200
