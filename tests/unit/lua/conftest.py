"""A test that hangs inside Lua cannot be stopped from Python: better the process ends than the suite never does."""

from __future__ import annotations

import faulthandler

import pytest

HARD_LIMIT = 120.0


@pytest.fixture(autouse=True)
def hard_limit():
    faulthandler.dump_traceback_later(HARD_LIMIT, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
