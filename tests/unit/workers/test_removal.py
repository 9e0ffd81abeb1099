"""Folders that strangers have filled are removed whole, and nothing beside them is."""

from __future__ import annotations

import os

import pytest

from skep.workers.process.tree import removal
from skep.workers.process.tree.removal import remove


def test_files_folders_links_and_what_has_no_rights(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    top = tmp_path / "top"
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "file").write_text("x")
    (top / "a" / "b" / "link").symlink_to(outside)
    (top / "link").symlink_to(outside)
    (top / "gone").symlink_to("nowhere")
    os.mkfifo(top / "pipe")
    (top / "a" / "b").chmod(0)
    (top / "a").chmod(0o100)
    top.chmod(0)
    assert remove(str(top), 10)
    assert not top.exists()
    assert (outside / "kept").read_text() == "kept"
    assert (outside.stat().st_mode & 0o777) == 0o755


def test_depth_does_not_matter(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    folder = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=folder)
        os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        deeper = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(folder)
    assert remove(str(top), 60)
    assert not top.exists()


def test_what_stands_in_its_place_is_removed_and_what_a_link_points_to_is_not(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir(0o755)
    (kept / "file").write_text("x")
    (tmp_path / "link").symlink_to(kept)
    (tmp_path / "file").write_text("x")
    assert remove(str(tmp_path / "link"), 10)
    assert remove(str(tmp_path / "file"), 10)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (kept / "file").exists()
    assert (kept.stat().st_mode & 0o777) == 0o755


def test_one_that_is_not_there_is_gone(tmp_path):
    assert remove(str(tmp_path / "none"), 10)


def test_the_time_is_bounded(tmp_path):
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    (top / "a" / "file").write_text("x")
    assert not remove(str(top), 0)
    assert top.exists()
    assert remove(str(top), 10)


@pytest.mark.parametrize("where", ["top", "inside"])
def test_an_error_of_the_system_is_told(tmp_path, monkeypatch, where):
    top = tmp_path / "top"
    (top / "a").mkdir(parents=True)
    (top / "a" / "file").write_text("x")

    def refuse(*_args, **_options):
        raise PermissionError("no")

    monkeypatch.setattr(removal.os, "chmod" if where == "top" else "unlink", refuse)
    assert not remove(str(top), 10)
