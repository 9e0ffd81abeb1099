from __future__ import annotations

import os
import subprocess

import pytest

from skep.errors import LimitExceeded, PackageError, SourceRefused
from skep.strategy.packages import tree as trees
from skep.strategy.packages.tree import digest_of, hashes, read_tree, sweep, write_tree


def test_a_tree_is_what_lies_in_the_folder(world):
    folder = world.package("p", sub__deep="return 1")
    world.write("p/.git/config", "x")
    (folder / "same.lua").symlink_to(folder / "sub" / "deep.lua")
    assert read_tree(folder) == {
        "init.lua": b"return {}",
        "same.lua": b"return 1",
        "sub/deep.lua": b"return 1",
    }


def test_the_digest_is_the_one_that_a_shell_finds(world):
    folder = world.package("p", b="return 1", a__c="return 2")
    found = subprocess.run(
        ["sh", "-c", "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert digest_of(hashes(read_tree(folder))) == f"sha256:{found.stdout.split()[0]}"


def test_a_link_out_is_refused(world):
    folder = world.package("p")
    (folder / "out").symlink_to("/etc/hostname")
    with pytest.raises(SourceRefused, match="the link out leads out"):
        read_tree(folder)


def test_a_pipe_is_refused_and_not_waited_for(world):
    folder = world.package("p")
    os.mkfifo(folder / "pipe")
    with pytest.raises(SourceRefused, match="pipe is not a regular file"):
        read_tree(folder)


@pytest.mark.parametrize(("name", "limit"), [("MAX_FILES", 1), ("MAX_BYTES", 10), ("MAX_DEPTH", 1)])
def test_a_tree_has_limits(world, monkeypatch, name, limit):
    folder = world.package("p", a__b__c="return 1")
    monkeypatch.setattr(trees, name, limit)
    with pytest.raises(LimitExceeded, match=name.replace("MAX", "package").lower()):
        read_tree(folder)


def test_a_folder_is_written_as_a_whole_or_not_at_all(world):
    target = world.folder / "home" / "p"
    write_tree({"init.lua": b"1", "a/b.lua": b"2"}, target)
    assert read_tree(target) == {"init.lua": b"1", "a/b.lua": b"2"}
    with pytest.raises(PackageError):
        write_tree({"init.lua": b"3"}, target)
    with pytest.raises(PackageError):
        write_tree({"a": b"", "a/b": b""}, target, over=True)
    assert read_tree(target)["init.lua"] == b"1"
    write_tree({"init.lua": b"3"}, target, over=True)
    assert read_tree(target) == {"init.lua": b"3"}
    assert [entry.name for entry in target.parent.iterdir()] == ["p"]


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", ""])
def test_no_path_leaves_the_folder(world, path):
    with pytest.raises(SourceRefused):
        write_tree({"init.lua": b"", path: b""}, world.home / "deep" / "p")
    assert list(world.home.iterdir()) == []


def test_what_a_killed_process_left_is_undone(world):
    world.package("home/.p.12345678.old", init="old")
    world.package("home/.p.12345678.new", init="half")
    world.package("home/q", init="new")
    world.package("home/.q.12345678.old", init="old")
    sweep(world.home)
    assert {entry.name: (entry / "init.lua").read_text() for entry in world.home.iterdir()} == {
        "p": "old",
        "q": "new",
    }
