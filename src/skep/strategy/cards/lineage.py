"""Which card came of which: `metadata.prior_card_id` (strategy runtime, 6.2)."""

from __future__ import annotations

from collections import deque
from typing import Any, cast

from skep.errors import StrategyError
from skep.strategy.cards.query import Row, whole
from skep.strategy.cards.store import Cards, inside, options

DEFAULT_DEPTH = 10


def lineage(cards: Cards, query: Any) -> dict[str, Any] | None:
    """`{root, nodes, edges, truncated}` around one card; null if there is no such card.

    Raises:
        StrategyError: no `card_id`, or another direction than `up`, `down` and `both`.
    """
    asked = options(query)
    root = asked.get("card_id")
    if not isinstance(root, str) or not root:
        raise StrategyError("alc.card.lineage: card_id is required")
    direction = asked.get("direction") or "up"
    if direction not in ("up", "down", "both"):
        raise StrategyError(f"alc.card.lineage: direction '{direction}' must be up, down or both")
    walk = _Walk(
        {str(card["card_id"]): card for card in cards.every()},
        whole("depth", asked.get("depth"), DEFAULT_DEPTH),
        asked.get("relation_filter"),
        stats=asked.get("include_stats") is not False,
    )
    if root not in walk.cards:
        return None
    walk.visit(root, 0)
    if direction in ("up", "both"):
        walk.up(root)
    if direction in ("down", "both"):
        walk.down(root)
    return {"root": root, "nodes": walk.nodes, "edges": walk.edges, "truncated": walk.truncated}


class _Walk:
    def __init__(self, cards: dict[str, Row], depth: int, relations: Any, *, stats: bool) -> None:
        self.cards = cards
        self.nodes: list[dict[str, Any]] = []
        self.edges: list[dict[str, Any]] = []
        self.truncated = False
        self._depth = depth
        self._relations = cast("list[Any]", relations) if isinstance(relations, list) else None
        self._stats = stats
        self._seen: set[str] = set()

    def visit(self, card_id: str, depth: int) -> None:
        card = self.cards[card_id]
        node = {
            "card_id": card_id,
            "pkg": inside(card, "pkg", "name"),
            "depth": depth,
            "prior_card_id": inside(card, "metadata", "prior_card_id"),
            "prior_relation": inside(card, "metadata", "prior_relation"),
            "stats": card.get("stats") if self._stats else None,
        }
        self._seen.add(card_id)
        self.nodes.append({name: value for name, value in node.items() if value is not None})

    def up(self, card_id: str) -> None:
        depth, parent = 0, self._parent(card_id)
        while parent is not None and parent not in self._seen:
            if depth == self._depth:
                self.truncated = True
                return
            depth += 1
            self._edge(card_id, parent)
            self.visit(parent, -depth)
            card_id, parent = parent, self._parent(parent)

    def down(self, root: str) -> None:
        children: dict[str, list[str]] = {}
        for card_id in sorted(self.cards):
            parent = self._parent(card_id)
            if parent is not None:
                children.setdefault(parent, []).append(card_id)
        waiting = deque([(root, 0)])
        while waiting:
            card_id, depth = waiting.popleft()
            for child in children.get(card_id, ()):
                if child in self._seen:
                    continue
                if depth == self._depth:
                    self.truncated = True
                    return
                self._edge(child, card_id)
                self.visit(child, depth + 1)
                waiting.append((child, depth + 1))

    def _parent(self, card_id: str) -> str | None:
        """The card that this one came of, if it is there and the relation is one of those wanted."""
        metadata = self.cards[card_id]
        parent, relation = (inside(metadata, "metadata", f"prior_{name}") for name in ("card_id", "relation"))
        wanted = self._relations is None or relation in self._relations
        return parent if wanted and isinstance(parent, str) and parent in self.cards else None

    def _edge(self, child: str, parent: str) -> None:
        relation = inside(self.cards[child], "metadata", "prior_relation")
        edge = {"from": child, "to": parent}
        self.edges.append(edge if relation is None else edge | {"relation": relation})
