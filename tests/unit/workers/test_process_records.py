"""What a host keeps on disk of its attempts, when programs meddle with it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from skep.workers.process.tree.marks import new_mark
from skep.workers.process.tree.records import Records


@pytest.fixture
def records(tmp_path):
    return Records(str(tmp_path))


@pytest.mark.parametrize(
    "meddle",
    [lambda path: (path / "evil").touch(), lambda path: path.chmod(0o777), lambda path: path.rmdir()],
)
def test_a_kept_folder_that_somebody_was_in_is_not_used_again(records, tmp_path, meddle):
    first = records.make_scratch()
    assert records.keep_empty(first)
    meddle(Path(first))
    second = records.make_scratch()
    assert second != first
    assert list(Path(second).iterdir()) == []
    Path(second).rmdir()
    records.close()
    assert list(tmp_path.iterdir()) == []


def test_a_kept_folder_that_was_filled_does_not_stop_the_end(records, tmp_path):
    path = records.make_scratch()
    assert records.keep_empty(path)
    Path(path, "evil").touch()
    records.close()
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_written_down_takes_no_line(records, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        records.add(new_mark()[1])
    monkeypatch.undo()
    records.close()
    assert list(tmp_path.iterdir()) == []
