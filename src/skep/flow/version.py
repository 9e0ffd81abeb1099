"""The canonical form of a Blueprint and its version, the SHA-256 of it (DESIGN section 6).

Newest spellings, sorted keys, nothing that is at its default: what means the same has the same version.
"""

from __future__ import annotations

from typing import Any

from skep.flow.blueprint import Blueprint
from skep.flow.nodes import Node
from skep.flow.parts import LayerHint
from skep.flow.read_layers import layer_document
from skep.flow.struct_reader import to_document
from skep.flow.write import to_canonical
from skep.values import canonical, digest


def canonical_document(blueprint: Blueprint) -> dict[str, Any]:
    """The canonical form as a plain document; `parse_blueprint` reads the same Blueprint from it."""
    return to_document(blueprint, {Node: to_canonical, LayerHint: layer_document})


def canonical_blueprint(blueprint: Blueprint) -> bytes:
    """The canonical form as compact JSON with sorted keys."""
    return canonical(canonical_document(blueprint))


def version(blueprint: Blueprint) -> str:
    """Lowercase hex SHA-256 of `canonical_blueprint`; a run is pinned to it."""
    return digest(canonical_blueprint(blueprint))
