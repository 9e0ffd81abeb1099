"""The flow as a person reads it: its steps and the nodes that hold them, without plumbing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from skep.flow import keys
from skep.flow.nodes import Ask, Branch, Fanout, Loop, Node, Parallel, Seq, Step, Switch, Try, Wait

SPOTS_SHOWN = 300
"""Places of a flow that an outline holds; the counts below the tree cover all of them."""


class Spot(Struct):
    """A place in the flow; `key` is its step key without lane numbers, an empty `label` shows no line.

    A leaf is a step, or a node that waits for something outside: for `signal`, if it says so.
    """

    key: str
    label: str = ""
    is_leaf: bool = False
    signal: str | None = None
    children: list[Spot] = field(default_factory=list["Spot"])

    def leaves(self) -> Iterator[Spot]:
        """Every leaf in it, in document order."""
        if self.is_leaf:
            yield self
        for child in self.children:
            yield from child.leaves()


class _Room:
    """How many spots may still be made."""

    def __init__(self, count: int) -> None:
        self.left = count


def outline(flow: Node) -> Spot:
    """The outline of a flow, at most `SPOTS_SHOWN` places of it."""
    root = keys.ROOT_SEQ if isinstance(flow, Seq) else flow.id or "0"
    return _spot(flow, root, _Room(SPOTS_SHOWN)) or Spot("")


def _spot(node: Node, key: str, room: _Room) -> Spot | None:
    """`None` where nothing is to be shown."""
    if room.left <= 0:
        return None
    room.left -= 1
    if isinstance(node, Step):
        return Spot(key, _step_label(node), is_leaf=True)
    if isinstance(node, Ask | Wait):
        signal = node.signal if isinstance(node, Wait) else None
        return Spot(key, _label(node) + (f" {signal}" if signal else ""), is_leaf=True, signal=signal)
    children = [spot for body, at in _bodies(node, key) if (spot := _spot(body, at, room)) is not None]
    if not children:
        return None
    return Spot(key, _label(node), children=children)


def _step_label(step: Step) -> str:
    return step.agent if step.id is None or step.id == step.agent else f"{step.id} ({step.agent})"


def _label(node: Node) -> str:
    if isinstance(node, Seq):
        return node.id or ""
    kind = str(node.__struct_config__.tag)
    return f"{node.id} ({kind})" if node.id else kind


def _bodies(node: Node, key: str) -> Iterable[tuple[Node, str]]:
    """What a node holds, each with its key; turns and lanes have no number here."""
    if isinstance(node, (Loop, Fanout)):
        return [(node.body, key)]
    return [(body, keys.child(key, segment)) for segment, body in _members(node)]


def _members(node: Node) -> Iterable[tuple[str, Node]]:
    if isinstance(node, Seq):
        return [(body.id or str(index), body) for index, body in enumerate(node.children)]
    if isinstance(node, Branch):
        return [("then", node.then), ("else", node.otherwise)]
    if isinstance(node, Switch):
        cases = [(f"case{index}", case.body) for index, case in enumerate(node.cases)]
        return cases if node.default is None else [*cases, ("default", node.default)]
    if isinstance(node, Parallel):
        return node.branches.items()
    if isinstance(node, Try):
        return [("body", node.body), ("catch", node.catch)]
    return ()
