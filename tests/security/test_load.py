"""A Blueprint's references stay in its folder; whatever they find is one clear error (R-bound, R-trust)."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from skep.errors import BlueprintError, LimitExceeded
from skep.flow import load
from skep.flow.load import load_blueprint, read_inside
from skep.limits import Limits

PRIVATE = "what the owner keeps to himself"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "secret.txt").write_text(PRIVATE)
    inner = tmp_path / "blueprints"
    (inner / "sub").mkdir(parents=True)
    (inner / "ok.txt").write_text("fine")
    return inner


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def error_for(folder, reference):
    (folder / "bp.yaml").write_text(f"id: x\nflow: []\ndefault_init_ctx: {{$file: {reference}}}\n")
    with pytest.raises(BlueprintError) as caught:
        load_blueprint(folder / "bp.yaml")
    text = str(caught.value)
    assert PRIVATE not in text
    assert "\n" not in text
    assert "bp.yaml:3: default_init_ctx.$file: E-FILE" in text
    return text


@pytest.mark.parametrize(
    "reference",
    [
        "../secret.txt",
        "sub/../../secret.txt",
        "sub/../ok.txt",
        "/etc/passwd",
        "'..'",
        "'.'",
        "''",
        '"a\\0b"',
        "'~/x'",
        "sub",
    ],
)
def test_a_path_that_is_not_a_file_below_the_folder(folder, reference):
    error_for(folder, reference)


def test_a_path_out_of_the_folder_names_the_remedy(folder):
    assert "copy the file next to the Blueprint" in error_for(folder, "../secret.txt")
    assert "copy the file next to the Blueprint" in error_for(folder, "/etc/passwd")


@pytest.mark.parametrize("target", ["../secret.txt", "/etc/passwd", "sub/../../secret.txt"])
def test_a_link_out_of_the_folder(folder, target):
    (folder / "link").symlink_to(target)
    assert "outside the Blueprint's folder" in error_for(folder, "link")


def test_a_link_to_a_folder_outside(folder):
    (folder / "door").symlink_to("..")
    assert "outside the Blueprint's folder" in error_for(folder, "door/secret.txt")
    (folder / "chain").symlink_to("door")
    assert "outside the Blueprint's folder" in error_for(folder, "chain/secret.txt")


def test_a_link_inside_the_folder_is_followed(folder):
    (folder / "sub/link").symlink_to("../ok.txt")
    assert read_inside(folder, "sub/link") == b"fine"


def test_a_link_that_leads_nowhere_or_round(folder):
    (folder / "dangling").symlink_to("gone")
    assert "no such file" in error_for(folder, "dangling")
    (folder / "loop").symlink_to("loop")
    error_for(folder, "loop")


def test_a_pipe_does_not_block(folder):
    os.mkfifo(folder / "pipe")
    assert "not a regular file" in error_for(folder, "pipe")
    os.mkfifo(folder / "pipe.yaml")
    with pytest.raises(BlueprintError, match="not a regular file"):
        load_blueprint(folder / "pipe.yaml")


def test_a_socket_is_no_file(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("sock")
        assert "a socket or a pipe" in error_for(folder, "sock")


def test_a_device_is_no_file(folder):
    (folder / "zero").symlink_to("/dev/zero")
    assert "outside" in error_for(folder, "zero")
    with pytest.raises(BlueprintError, match="not a regular file"):
        load._read_regular(os.open("/dev/zero", os.O_RDONLY), "zero", Limits())


def test_a_file_that_may_not_be_read(folder, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    (folder / "bp.yaml").write_text("id: x\nflow: []\n")
    monkeypatch.setattr(load.os, "open", refuse)
    with pytest.raises(BlueprintError, match="permission denied"):
        load_blueprint(folder / "bp.yaml")


def test_a_file_that_is_not_utf_8(folder):
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    (folder / "bp.yaml").write_text("id: {$file: latin.txt}\nflow: []\n")
    with pytest.raises(BlueprintError, match=r"latin\.txt: not UTF-8 at byte 3"):
        load_blueprint(folder / "bp.yaml")


def test_a_file_that_is_too_large_is_not_read_whole(folder):
    with (folder / "huge.txt").open("wb") as file:
        file.truncate(1 << 40)
    (folder / "bp.yaml").write_text("id: {$file: huge.txt}\nflow: []\n")
    with pytest.raises(LimitExceeded, match=r"huge\.txt: limit max_blueprint_bytes"):
        load_blueprint(folder / "bp.yaml")


def test_a_link_swapped_in_between_look_and_open_is_not_followed(folder, monkeypatch):
    (folder / "sub/prompt.txt").write_text("fine")
    look = os.path.realpath

    def swap_after_the_look(path, **options):
        found = look(path, **options)
        if str(path).endswith("prompt.txt"):
            (folder / "sub").rename(folder / "was")
            (folder / "sub").symlink_to("..")
            (folder.parent / "prompt.txt").write_text(PRIVATE)
        return found

    monkeypatch.setattr(load.os.path, "realpath", swap_after_the_look)
    with pytest.raises(BlueprintError, match="a link or a file is where a folder was expected"):
        read_inside(folder, "sub/prompt.txt")


def test_no_descriptor_is_left_open(folder):
    before = descriptors()
    for _ in range(3):
        for reference in ("sub", "ok.txt/x", "gone", "../secret.txt"):
            error_for(folder, reference)
        read_inside(folder, "ok.txt")
    assert descriptors() == before
