from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.strategy.bundled import BUNDLED
from skep.strategy.packages.lua_text import string_value, tokens
from skep.strategy.packages.meta import MAX_TEXT, read_meta

SOURCE = """\
#!/usr/bin/lua
--- Votes.
---   indented
---
--- More.
local M = {}
-- M.meta = { name = "in a comment" }
--[==[ M.meta = { name = "in a long comment" } ]==]
local text = "M.meta = { name = 'in a string' }"
M.meta = {
  name = "self-consistency", -- a comment
  version = '1.2' .. ".3";
  ["category"] = [[
aggregation]],
  description = "a \\"quoted\\" " ..
    "text\\n\\x41\\65\\u{e9}\\z
    end",
  alc_shapes_compat = ">=0.1",
  tags = { "a", name = "nested" },
  count = 3,
  computed = "a" .. tostring(1),
  f = function(a, b) return { name = "deep" } end,
  name = "twice",
}
M.meta = { name = "later" }
"""


def test_texts_are_read_and_all_else_is_passed_over():
    meta = read_meta(SOURCE)
    assert meta.fields == {
        "name": "self-consistency",
        "version": "1.2.3",
        "category": "aggregation",
        "description": 'a "quoted" text\nAA\u00e9end',
        "alc_shapes_compat": ">=0.1",
    }
    assert (meta.name, meta.version) == ("self-consistency", "1.2.3")


def test_the_text_before_the_code_is_kept():
    assert read_meta(SOURCE).docstring == "Votes.\n  indented\n\nMore."
    assert read_meta("local a\n--- later").docstring == ""


@pytest.mark.parametrize(
    "source",
    ["", "M.meta = 3", "M.meta = {", "M.meta = { name = }", "M.meta = {name = ''}", "X.meta = {name = 'x'}"],
)
def test_what_has_no_name_is_no_package(source):
    assert read_meta(source).name is None


def test_it_may_stand_in_the_table_of_the_package_itself():
    source = "local M = {\n  run = function() end,\n  meta = { name = 'a', version = '1' },\n}\nM.other = {}\nreturn M"
    assert read_meta(source).fields == {"name": "a", "version": "1"}
    assert read_meta("local M = {}\nM.meta = { name = 'b' }").name == "b"


def test_a_long_text_is_cut():
    assert len(read_meta(f"M.meta = {{ name = '{'x' * 10_000}' }}").fields["name"]) == MAX_TEXT


def test_a_megabyte_of_anything_is_read_in_time():
    for piece in ("--[==[", '"', "[[", "M.meta={", "M={", "M={meta={", "\\", "'\\z   "):
        read_meta(piece * (100_000 // len(piece)))


@given(st.text())
def test_nothing_fails(source):
    read_meta(source)
    assert (
        "".join(token.text for token in tokens(source)).split()
        == "".join(token.text for token in tokens(source)).split()
    )


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])))
def test_a_long_string_stands_for_what_is_in_it(text):
    if "]=]" not in text and not text.endswith("]") and not text.startswith(("\n", "\r")):
        assert string_value(f"[=[{text}]=]") == text


def test_our_own_packages_say_who_they_are():
    metas = {file.parent.name: read_meta(file.read_text()) for file in BUNDLED.glob("*/init.lua")}
    assert {name for name, meta in metas.items() if meta.name not in {name, None}} == set()
    assert metas["cot"].version
