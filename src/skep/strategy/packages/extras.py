"""What comes beside the code of packages: cards of earlier runs, and scenarios."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping

from skep.strategy.files import replace
from skep.strategy.packages.layout import HomeFiles
from skep.strategy.packages.names import is_name
from skep.strategy.packages.tree import Tree, below

CARD_SCHEMA = "card/v0"


def bring_cards(home: HomeFiles, packages: Mapping[str, Tree]) -> list[str]:
    """Copy the cards that are not there yet; their ids. Other files in `cards/` stay in their package."""
    brought: list[str] = []
    for package, tree in packages.items():
        for path, data in below(tree, "cards").items():
            card = path.removesuffix(".toml")
            target = home.home / "cards" / package / path
            if path.endswith(".toml") and is_name_of_file(card) and _is_card(data) and not target.exists():
                replace(target, data)
                brought.append(card)
    return brought


def bring_scenarios(home: HomeFiles, scenarios: Tree) -> tuple[list[str], list[str]]:
    """Copy the scenarios that are not there yet; the names of those, and of those that cannot be kept."""
    brought: list[str] = []
    failed: list[str] = []
    for path, data in scenarios.items():
        name = path.removesuffix(".lua")
        target = home.home / "scenarios" / path
        if not is_name_of_file(name):
            failed.append(name)
        elif not target.exists():
            replace(target, data)
            brought.append(name)
    return brought, failed


def is_name_of_file(text: str) -> bool:
    """Whether a card or scenario may be called so: a name with dots in it, too."""
    return all(is_name(f"x{part}") for part in text.split("."))


def _is_card(data: bytes) -> bool:
    try:
        return tomllib.loads(data.decode()).get("schema_version") == CARD_SCHEMA
    except (ValueError, RecursionError):
        return False
