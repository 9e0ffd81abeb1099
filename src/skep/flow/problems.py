"""What lint reports: a problem with its place, a stable code, a message and a fix."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Literal

from msgspec import Struct


class Problem(Struct, frozen=True):
    """One finding. `place` is a JSON path into the document: `flow.children[2].body.in`."""

    place: str
    code: str
    message: str
    fix: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        remedy = f" ({self.fix})" if self.fix else ""
        return f"{self.place or '$'}: {self.code} {self.message}{remedy}"


def did_you_mean(word: str, known: list[str]) -> str | None:
    """A fix sentence that names the nearest known word, or all of them when they are few."""
    near = get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(sorted(known))}" if 0 < len(known) <= 30 else None
