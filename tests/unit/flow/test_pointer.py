from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import BadValue
from skep.flow.pointer import is_pointer, pointed_at

RFC = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}
"""The example of RFC 6901, section 5."""


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1), ("/c%d", 2), ("/e^f", 3),
        ("/g|h", 4), ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8),
    ],
)  # fmt: skip
def test_the_examples_of_the_rfc(pointer, value):
    assert pointed_at(RFC, pointer) == value


@pytest.mark.parametrize(
    "pointer",
    ["/x", "/foo/2", "/foo/-", "/foo/01", "/foo/-1", "/foo/0/0", "/foo/\u0661", "/foo/" + "9" * 5_000],
)
def test_what_is_not_there_is_said(pointer):
    with pytest.raises(BadValue, match="nothing at"):
        pointed_at(RFC, pointer)


@given(st.dictionaries(st.text(max_size=4), st.integers(), min_size=1), st.data())
def test_every_key_has_a_pointer(value, data):
    key = data.draw(st.sampled_from(sorted(value)))
    pointer = "/" + key.replace("~", "~0").replace("/", "~1")
    assert is_pointer(pointer)
    assert pointed_at(value, pointer) == value[key]
