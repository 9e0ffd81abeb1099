"""`require` looks below its roots and nowhere else."""

from __future__ import annotations

import os

import pytest

from skep.errors import LuaError
from skep.lua.limits import Limits
from skep.lua.runner import Script
from skep.lua.vm import LuaVM


@pytest.fixture
def roots(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "a" / "c").mkdir(parents=True)
    second.mkdir()
    (first / "a" / "b.lua").write_text("return {name = ..., loads = (loads or 0) + 1}")
    (first / "a" / "c" / "init.lua").write_text("return 'init'")
    (first / "both.lua").write_text("return 'first'")
    (second / "both.lua").write_text("return 'second'")
    (second / "only.lua").write_text("return 'only'")
    (second / "silent.lua").write_text("count = (count or 0) + 1")
    (second / "broken.lua").write_text("local x = 1\nreturn (")
    (second / "raising.lua").write_text("local x = 1\nerror('boo')")
    (second / "latin.lua").write_bytes(b"return '\xe9'")
    (tmp_path / "outside.lua").write_text("return 'outside'")
    (second / "link.lua").symlink_to(tmp_path / "outside.lua")
    (second / "inner.lua").symlink_to(second / "only.lua")
    (second / "loop.lua").symlink_to(second / "loop.lua")
    (second / "folder.lua").mkdir()
    os.mkfifo(second / "pipe.lua")
    (second / "big.lua").write_text("return '" + "x" * 2_000 + "'")
    return [first, second]


def run(roots, source):
    return LuaVM(Limits(source=1_000), roots=roots).run(Script(source))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("return require('a.b').name", "a.b"),
        ("return require('a.c')", "init"),
        ("return require('both')", "first"),
        ("return require('only')", "only"),
        ("return require('inner')", "only"),
        ("require('silent') require('silent') return {require('silent'), count}", [True, 1]),
        ("local a = require('both') package.loaded.both = 'mine' return a .. require('both')", "firstmine"),
        (
            "package.preload.x = function(name, extra) return name .. extra end return require('x')",
            "x:preload:",
        ),
        (
            "table.insert(package.searchers, 1, function(n) return function() return n end end) return require('q')",
            "q",
        ),
        ("return select(2, require('a.b'))", "a/b.lua"),
        ("return require('string') == string", True),
    ],
)
def test_what_is_found(roots, source, value):
    assert run(roots, source) == value


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "module 'nowhere' not found:"),
        ("link", "outside its root"),
        ("latin", "not UTF-8"),
        ("folder", "not a regular file"),
        ("pipe", "not a regular file"),
        ("big", "limit source of 1,000"),
        ("broken", r"error loading module 'broken': broken.lua:2: unexpected symbol"),
        ("raising", r"raising.lua:2: boo"),
        ("../outside", "no file has such a name"),
        ("..outside", "no file has such a name"),
        ("/etc/passwd", "no file has such a name"),
        ("a/b", "no file has such a name"),
        ("a..b", "no file has such a name"),
        (".a", "no file has such a name"),
        ("a\\0b", "no file has such a name"),
        ("", "no file has such a name"),
        ("x" * 300, "no file has such a name"),
        ("\\xff", "not UTF-8"),
    ],
)
def test_what_is_not(roots, name, message):
    with pytest.raises(LuaError, match=message):
        run(roots, f"return require('{name}')")


def test_a_link_that_goes_nowhere_is_a_named_error(roots):
    with pytest.raises(LuaError, match=r"loop\.lua cannot be found|not found"):
        run(roots, "return require('loop')")


def test_a_module_that_is_found_but_refused_ends_the_search(roots):
    (roots[0] / "link.lua").symlink_to("/etc/hostname")
    (roots[1] / "link.lua").unlink()
    (roots[1] / "link.lua").write_text("return 'second'")
    with pytest.raises(LuaError, match="outside its root"):
        run(roots, "return require('link')")


def test_a_root_may_be_a_link_itself(tmp_path, roots):
    (tmp_path / "alias").symlink_to(roots[1])
    assert run([tmp_path / "alias"], "return require('only')") == "only"


def test_without_roots_nothing_is_found():
    with pytest.raises(LuaError, match="in 0 roots"):
        LuaVM().run(Script("require('os.path')"))


def test_the_untrusted_have_roots_too(roots):
    assert LuaVM(profile="untrusted", roots=roots).run(Script("return require('only')")) == "only"
