"""Whether the layers that a Blueprint lists are there, know their options, and let each other be called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from skep.flow.catalog import EVERY_LAYER, Catalog, HintInfo
from skep.flow.lint_trust import layer_trust
from skep.flow.parts import LayerHint
from skep.flow.problems import Problem, did_you_mean, inside
from skep.flow.read_layers import MAX_LAYERS


def lint_layers(listed: Sequence[LayerHint], catalog: Catalog, untrusted: bool) -> Iterator[Problem]:
    """Everything wrong with `spawner_hints.layers`."""
    at = "spawner_hints.layers"
    if len(listed) > MAX_LAYERS:
        message = f"{len(listed)} layers, more than {MAX_LAYERS}"
        yield Problem(at, "E-LIMIT", message, "list fewer")
        return
    for number, hint in enumerate(listed):
        place = inside(at, number)
        info = catalog.hint(hint.key)
        if info is None:
            fix = did_you_mean(hint.key[:60], [known.key for known in catalog.hints])
            yield Problem(place, "E-HINT", f"unknown layer {hint.key[:60]!r}", fix)
            continue
        place_of_options = inside(place, hint.key) if hint.options else place
        yield from info.check(hint.options, place_of_options)
        if untrusted:
            yield from layer_trust(hint, info, place_of_options)
        else:
            yield from info.check_code(hint.options, place_of_options)
        yield from _order(info, [earlier.key for earlier in listed[:number]], place)


def _order(info: HintInfo, before: list[str], place: str) -> Iterator[Problem]:
    key = info.key
    if key in before and not info.repeats:
        yield Problem(place, "E-HINT-TWICE", f"layer {key!r} is listed above already", "list it once")
    for earlier in dict.fromkeys(before):
        if earlier != key and (info.disables == EVERY_LAYER or earlier in info.disables):
            message = f"layer {earlier!r} is never called under {key!r}"
            yield Problem(place, "W-HINT-ORDER", message, f"list {earlier!r} after it", "warning")
