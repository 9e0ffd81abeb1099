from __future__ import annotations

import logging

import pytest

from skep.cli import logs
from skep.errors import JournalFailed


@pytest.mark.parametrize(("error", "lines"), [(JournalFailed("full"), 0), (None, 1), (ValueError("x"), 1)])
def test_a_failed_journal_is_told_once(monkeypatch, capsys, error, lines):
    logger = logging.getLogger("skep")
    monkeypatch.setattr(logger, "handlers", [])
    logs.to_stderr()
    logger.error("stopped: %s", JournalFailed("full"))
    assert capsys.readouterr().err == ""
    logs.tell_held(error)
    assert len(capsys.readouterr().err.splitlines()) == lines
