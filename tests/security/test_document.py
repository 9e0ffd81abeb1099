"""Documents that try to exhaust the reader: each ends in one named error, in little memory."""

from __future__ import annotations

import tracemalloc

import pytest

from skep.errors import BadSyntax, LimitExceeded
from skep.flow.document import parse_document

NINE = ",".join(["*a{0}"] * 9)
LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{NINE.format(i - 1)}]\n" for i in range(1, 40))
LONG_LAUGHS = "s: &s '" + "x" * 1_000_000 + "'\nb: [" + "*s," * 2000 + "]"
DEEP_ALIASES = (
    "a0: &a0 [1]\n"
    + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 300))
    + "z: "
    + "[" * 300
    + "*a299"
)

BOMBS = {
    "laughs": (LAUGHS, "yaml", "max_blueprint_nodes"),
    "long laughs": (LONG_LAUGHS, "yaml", "max_blueprint_bytes"),
    "aliases that nest": (DEEP_ALIASES, "yaml", "max_blueprint_depth"),
    "alias of something deep": (
        "a: &a " + "[" * 300 + "]" * 300 + "\nb: " + "[" * 200 + "*a" + "]" * 200,
        "yaml",
        "max_blueprint_depth",
    ),
    "yaml [": ("[" * 10_000, "yaml", "max_blueprint_depth"),
    "yaml [ ]": ("[" * 10_000 + "]" * 10_000, "yaml", "max_blueprint_depth"),
    "yaml -": ("- " * 10_000, "yaml", "max_blueprint_depth"),
    "yaml {": ("{a: " * 10_000, "yaml", "max_blueprint_depth"),
    "json [": ("[" * 10_000 + "]" * 10_000, "json", "max_blueprint_depth"),
    "json {": ('{"a":' * 10_000 + "1" + "}" * 10_000, "json", "max_blueprint_depth"),
    "json wide": ("[" + "1," * 300_000 + "1]", "json", "max_blueprint_nodes"),
    "yaml wide": ("[" + "1," * 300_000 + "1]", "yaml", "max_blueprint_nodes"),
    "json quotes": ('"' * 400_000, "json", "not JSON"),
    "json open string": ('"' + '\\"' * 1_000_000, "json", "not JSON"),
    "yaml digits": ("a: " + "1" * 4_000_000, "yaml", "64 bits"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_in_one_error(name):
    text, form, message = BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises((BadSyntax, LimitExceeded), match=message) as caught:
            parse_document(text.encode(), form)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert peak < 100_000_000
