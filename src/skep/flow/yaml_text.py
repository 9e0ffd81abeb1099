"""YAML text to a plain value, from the parser's events: no tags, no merge keys, nothing constructed by name.

Depth, nodes and characters are counted while reading, aliases as often as they are used, so a few lines
that expand to billions of nodes end in one error at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, cast

from msgspec import Struct

from skep.errors import BadSyntax, LimitExceeded
from skep.flow.problems import inside
from skep.flow.yaml_scalars import UnclearScalarError, plain_key, plain_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skep.limits import Limits


class _Known(Struct, frozen=True):
    """An anchored value and what one alias to it costs."""

    value: Any
    nodes: int
    chars: int
    height: int


class _Open(Struct):
    """A container that is being filled, and the counts at its start."""

    value: Any
    place: str
    anchor: str | None
    nodes: int
    chars: int
    height: int = 0
    key: str | None = None
    key_line: int = 0


def read_yaml(text: str, limits: Limits, depth: int, where: str, lines: dict[str, int]) -> Any:
    """Parse one YAML document whose arrays and objects nest at most `depth` deep; fills `lines`.

    Raises:
        BadSyntax, LimitExceeded: see `skep.flow.document.parse_document`.
    """
    import yaml  # noqa: PLC0415 - a run from JSON or Python does not pay for it

    parse = cast("Callable[..., Iterator[Any]]", vars(yaml)["parse"])  # its stub leaves the events untyped
    builder = _Builder(limits, depth, where, lines)
    try:
        for event in parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.feed(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise BadSyntax(f"not YAML: {error.problem or error.context}", where=where + line) from error
    except yaml.YAMLError as error:
        raise BadSyntax(
            f"not YAML: {str(error).splitlines()[0]}", where=where, fix="save it as plain text without them"
        ) from error
    return builder.result()


class _Builder:
    """Values from events. The stack is explicit: nesting costs no call depth."""

    def __init__(self, limits: Limits, depth: int, where: str, lines: dict[str, int]) -> None:
        self._limits = limits
        self._depth = depth
        self._where = where
        self._lines = lines
        self._line = 1
        self._nodes = 0
        self._chars = 0
        self._known: dict[str, _Known] = {}
        self._stack: list[_Open] = []
        self._documents: list[Any] = []

    def feed(self, event: Any) -> None:
        self._line = event.start_mark.line + 1
        if getattr(event, "tag", None):
            self._fail(f"tag {event.tag[:60]!r} is not allowed", "remove it: values are plain YAML")
        match type(event).__name__:
            case "ScalarEvent":
                self._scalar(event)
            case "AliasEvent":
                self._alias(event.anchor)
            case "MappingStartEvent":
                self._start({}, event.anchor)
            case "SequenceStartEvent":
                self._start([], event.anchor)
            case "MappingEndEvent" | "SequenceEndEvent":
                self._end()
            case "DocumentStartEvent" if self._documents:
                self._fail("a second document starts here", "keep one document in a file")
            case _:
                pass

    def result(self) -> Any:
        if not self._documents:
            self._fail("the document is empty", "write a Blueprint: id, agents, flow")
        return self._documents[0]

    def _scalar(self, event: Any) -> None:
        text, plain = event.value, event.implicit[0]
        try:
            if self._at_key():
                self._key(plain_key(text) if plain else text, merge=plain and text == "<<")
                return
            value = plain_value(text) if plain else text
        except UnclearScalarError as error:
            self._fail(str(error), error.fix)
        self._put(_Known(value, 1, len(text), 0))
        if event.anchor:
            self._known[event.anchor] = _Known(value, 1, len(text), 0)

    def _key(self, key: str, *, merge: bool) -> None:
        if merge:
            self._fail(
                "merge keys (<<) are not supported", "write the fields out, or use an alias for a whole value"
            )
        top = self._stack[-1]
        if key in top.value:
            self._fail(f"key {inside(top.place, key)} stands twice in the same object", "drop or rename one")
        self._count(0, len(key))
        top.key, top.key_line = key, self._line

    def _alias(self, anchor: str) -> None:
        known = self._known.get(anchor)
        if known is None or self._at_key():
            self._fail(
                f"alias *{anchor[:60]} has no finished value before it",
                "define &name first, and not around its own use",
            )
        if len(self._stack) + known.height > self._depth:
            raise self._too_deep()
        self._put(known)

    def _start(self, value: Any, anchor: str | None) -> None:
        if self._at_key():
            self._fail("a key must be text", "quote a text that starts with { or [")
        if len(self._stack) >= self._depth:
            raise self._too_deep()
        opened = _Open(value, self._place(), anchor, self._nodes, self._chars)
        self._put(_Known(value, 1, 0, 0))
        self._stack.append(opened)

    def _end(self) -> None:
        done = self._stack.pop()
        if self._stack:
            self._stack[-1].height = max(self._stack[-1].height, done.height + 1)
        if done.anchor:
            size = self._nodes - done.nodes, self._chars - done.chars
            self._known[done.anchor] = _Known(done.value, *size, done.height + 1)

    def _put(self, known: _Known) -> None:
        """Store a value where the next one belongs."""
        self._count(known.nodes, known.chars)
        at_key = self._stack and self._stack[-1].key is not None
        self._lines[self._place()] = self._stack[-1].key_line if at_key else self._line
        if not self._stack:
            self._documents.append(known.value)
            return
        top = self._stack[-1]
        top.height = max(top.height, known.height)
        if top.key is None:
            top.value.append(known.value)
        else:
            top.value[top.key] = known.value
            top.key = None

    def _at_key(self) -> bool:
        return bool(self._stack) and type(self._stack[-1].value) is dict and self._stack[-1].key is None

    def _place(self) -> str:
        if not self._stack:
            return ""
        top = self._stack[-1]
        return inside(top.place, len(top.value) if top.key is None else top.key)

    def _count(self, nodes: int, chars: int) -> None:
        self._nodes += nodes
        self._chars += chars
        if self._nodes > self._limits.max_blueprint_nodes:
            raise self._limit("max_blueprint_nodes", self._limits.max_blueprint_nodes)
        if self._chars > self._limits.max_blueprint_bytes:
            raise self._limit("max_blueprint_bytes", self._limits.max_blueprint_bytes)

    def _limit(self, name: str, limit: int) -> LimitExceeded:
        fix = "aliases count as often as they are used: use fewer, or make the document smaller"
        return LimitExceeded(name, limit, where=f"{self._where}:{self._line}", fix=fix)

    def _too_deep(self) -> LimitExceeded:
        where = f"{self._where}:{self._line}"
        return LimitExceeded(
            "max_blueprint_depth", self._limits.max_blueprint_depth, where=where, fix="nest it less deeply"
        )

    def _fail(self, what: str, fix: str) -> NoReturn:
        raise BadSyntax(what, where=f"{self._where}:{self._line}", fix=fix)
