from __future__ import annotations

import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from skep.errors import StoreCorrupt
from skep.journal.artifacts import ArtifactFiles, is_digest

DATA = b"some bytes"
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store.db.blobs"


@pytest.fixture
def files(root):
    return ArtifactFiles(root, sync=True)


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def everything(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_file_stands_under_its_digest_and_is_private(files, root):
    staged = files.stage(SHA, DATA)
    assert everything(root) == sorted([f"{SHA[:2]}/{SHA[2:]}", f"staging/{staged.name}"])
    files.settle(staged)
    assert everything(root) == [f"{SHA[:2]}/{SHA[2:]}"]
    assert files.read(SHA) == DATA
    assert stat.S_IMODE(files.path(SHA).stat().st_mode) == 0o600
    assert stat.S_IMODE(root.stat().st_mode) == stat.S_IMODE(files.path(SHA).parent.stat().st_mode) == 0o700


def test_the_same_bytes_are_written_once(files):
    files.settle(files.stage(SHA, DATA))
    before = files.path(SHA).stat().st_ino
    assert files.stage(SHA, DATA) is None
    files.settle(None)
    assert files.path(SHA).stat().st_ino == before


def test_a_file_and_its_directories_are_synced_before_it_counts(files, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())), real(fd))
    )
    files.stage(SHA, DATA)
    place = files.path(SHA)
    assert "/staging/" in synced[0]
    assert synced[1:] == [str(place.parent), str(place.parent.parent), str(place.parent.parent.parent)]
    synced.clear()
    files.stage(SHA, DATA)
    assert synced == []
    ArtifactFiles(place.parent.parent, sync=True).stage(SHA, DATA)
    assert synced, "another process may have written it and not come to its sync"
    synced.clear()
    ArtifactFiles(place.parent.parent, sync=False).stage(hashlib.sha256(b"x").hexdigest(), b"x")
    assert synced == []


def test_a_file_system_without_hard_links_will_do(files, root, monkeypatch):
    def refuse(self, target):
        raise OSError(1, "not supported", str(self), None, str(target))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    files.settle(files.stage(SHA, DATA))
    assert everything(root) == [f"{SHA[:2]}/{SHA[2:]}"]
    assert files.read(SHA) == DATA


def test_a_changed_file_is_named(files):
    files.stage(SHA, DATA)
    files.path(SHA).write_bytes(b"other bytes")
    with pytest.raises(StoreCorrupt, match="not what its name says") as caught:
        files.read(SHA)
    assert caught.value.where == str(files.path(SHA))


def test_a_missing_file_is_named(files):
    with pytest.raises(StoreCorrupt, match="cannot be read") as caught:
        files.read(SHA)
    assert caught.value.where == str(files.path(SHA))


def test_the_sweep_removes_what_was_staged_long_ago_and_never_recorded(files, root):
    assert files.leftovers() == []
    for data in (b"recorded", b"orphan", b"fresh"):
        staged = files.stage(hashlib.sha256(data).hexdigest(), data)
        if data != b"fresh":
            age(staged, 3601)
    recorded = hashlib.sha256(b"recorded").hexdigest()
    fresh = hashlib.sha256(b"fresh").hexdigest()
    (root / "staging" / "stray").write_bytes(b"")
    age(root / "staging" / "stray", 3601)
    leftovers = files.leftovers()
    assert len(leftovers) == 3
    assert files.sweep(leftovers, lambda sha256: sha256 == recorded) == 1
    assert files.sweep(leftovers, lambda sha256: sha256 == recorded) == 1, "gone already"
    left = everything(root)
    assert len(left) == 3
    assert f"{recorded[:2]}/{recorded[2:]}" in left
    assert f"{fresh[:2]}/{fresh[2:]}" in left
    assert sum(name.startswith(f"staging/{fresh}") for name in left) == 1


@pytest.mark.parametrize(
    "text", ["", "0" * 63, "0" * 65, "g" * 64, "A" * 64, "../" + "0" * 61, "0" * 63 + "\n"]
)
def test_only_a_digest_is_a_digest(text):
    assert not is_digest(text)
    assert is_digest("0123456789abcdef" * 4)
