from __future__ import annotations

import os
import socket
import stat

import pytest

from skep.errors import ConfigError
from skep.journal.place import prepare


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_store_is_private_with_the_directories_made_for_it(tmp_path):
    path = tmp_path / "a" / "b" / "skep.db"
    old = os.umask(0)
    try:
        prepare(path)
    finally:
        os.umask(old)
    assert mode(path) == 0o600
    assert mode(path.parent) == mode(path.parent.parent) == 0o700


def test_what_is_there_stays_as_it_is(tmp_path):
    path = tmp_path / "skep.db"
    path.write_bytes(b"x" * 512)
    path.chmod(0o640)
    prepare(path)
    assert path.read_bytes() == b"x" * 512
    assert mode(path) == 0o640


def test_a_place_that_cannot_be_used_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.close()
    for path in (
        tmp_path,
        tmp_path / "file" / "skep.db",
        tmp_path / "pipe",
        tmp_path / "s",
        tmp_path / ("x" * 300),
        tmp_path.__class__("/proc/skep/skep.db"),
    ):
        with pytest.raises(ConfigError) as caught:
            prepare(path)
        assert caught.value.fix
        assert caught.value.where
