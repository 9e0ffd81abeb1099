"""What an untrusted Blueprint may not say (R-trust), and references that only a file may hold.

Closed by default: of a spec only the keys that its kind lists are allowed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from skep.flow.agents import SubprocessRunner
from skep.flow.blueprint import Blueprint
from skep.flow.catalog import HintInfo, KindInfo
from skep.flow.parts import LayerHint
from skep.flow.problems import Problem, inside
from skep.flow.refs import find_refs
from skep.values import type_of


def document_refs(document: Any, trust: str) -> Iterator[Problem]:
    """References in a document that did not come from a file (or was not expanded)."""
    for place, word in find_refs(document):
        if trust == "untrusted":
            yield _refused(place, f"{word} reads a file", "put its text in the document")
        else:
            fix = "run the document from its file, or put the text in place"
            yield Problem(place, "E-FILE", f"{word} is followed only in Blueprint files", fix)


def agent_trust(spec: Any, kind: KindInfo, place: str) -> Iterator[Problem]:
    """Spec keys of one agent that need trust."""
    if spec is None:
        return
    if type_of(spec) is not dict:
        yield _refused(place, f"a {kind.name} agent's spec", _REGISTERED)
        return
    for key in spec:
        if key not in kind.untrusted_keys:
            yield _refused(inside(place, key), f"{key[:60]!r} of a {kind.name} agent", _REGISTERED)


def layer_trust(hint: LayerHint, info: HintInfo, place: str) -> Iterator[Problem]:
    """Options of one layer that need trust."""
    for key in hint.options:
        if key not in info.untrusted_keys:
            yield _refused(inside(place, key), f"{key[:60]!r} of layer {info.key!r}", "leave it out")


def blueprint_trust(blueprint: Blueprint) -> Iterator[Problem]:
    """Programs and folders outside the agents' specs."""
    for number, _ in enumerate(blueprint.subprocesses):
        yield _refused(inside("subprocesses", number), "an inline program", "use a published template")
    for field in ("agents", "runners"):
        for number, holder in enumerate(getattr(blueprint, field)):
            if isinstance(holder.runner, SubprocessRunner) and holder.runner.overrides.cwd is not None:
                place = f"{inside(field, number)}.runner.overrides.cwd"
                yield _refused(place, "a working directory", "leave it out")
    for number, _ in enumerate(blueprint.blueprint_ref_includes):
        yield _refused(inside("blueprint_ref_includes", number), "a folder to read from", "leave it out")


_REGISTERED = "use a registered agent, or have the owner run the file"


def _refused(place: str, what: str, fix: str) -> Problem:
    return Problem(place, "E-TRUST", f"{what} needs a trusted Blueprint", fix)
