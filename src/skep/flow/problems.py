"""What lint reports: a problem with its place, a stable code, a message and a fix."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Literal

from msgspec import Struct

from skep.errors import BlueprintError


class Problem(Struct, frozen=True):
    """One finding. `place` is a JSON path into the document: `flow.children[2].body.in`."""

    place: str
    code: str
    message: str
    fix: str | None = None
    severity: Literal["error", "warning"] = "error"
    line: int | None = None
    """Where it stands in the file, from 1; filled in by who knows the file (`Loaded.located`)."""

    def __str__(self) -> str:
        remedy = f" ({self.fix})" if self.fix else ""
        return f"{self.place or '$'}: {self.code} {self.message}{remedy}"


_FEW = 30


def did_you_mean(word: str, known: list[str]) -> str | None:
    """A fix sentence that names the nearest known word, or all of them when they are few."""
    near = get_close_matches(word, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known: {', '.join(sorted(known))}" if 0 < len(known) <= _FEW else None


_PLAIN_KEY = re.compile(r"[\w$-]{1,60}")


def inside(place: str, key: str | int) -> str:
    """The place of a member (`str`) or item (`int`) of what stands at `place`.

    >>> inside(inside("flow", "children"), 2), inside("", "agents"), inside("a", "b.c")
    ('flow.children[2]', 'agents', 'a["b.c"]')
    """
    if isinstance(key, int):
        return f"{place}[{key}]"
    if _PLAIN_KEY.fullmatch(key) is None:
        return f"{place}[{json.dumps(key[:60])}]"
    return f"{place}.{key}" if place else key


def as_error(problems: Sequence[Problem], where: str | None = None) -> BlueprintError:
    """One error for `problems`, errors first: a line that tells of the first and counts the rest."""
    ordered = sorted(problems, key=lambda problem: problem.severity)
    first, more = ordered[0], len(ordered) - 1
    file = f"{where}:{first.line}" if where and first.line else where
    place = f"{file}: {first.place}" if file and first.place else file or first.place or None
    fixes = [first.fix] if first.fix else []
    if more:
        fixes.append(f"and {more} more: `skep lint` shows all")
    return BlueprintError(
        f"{first.code} {first.message}", where=place, fix="; ".join(fixes) or None, problems=tuple(problems)
    )
