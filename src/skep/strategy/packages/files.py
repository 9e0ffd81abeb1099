"""Lists of packages as files: any of them may lie in a project that a stranger wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from skep.errors import PackageError
from skep.strategy.files import read

MAX_LIST = 4 << 20
"""Bytes of one file that lists packages."""


def read_list(path: Path) -> bytes | None:
    """What is in `path`; None if there is no such file.

    Raises:
        LimitExceeded: it is larger than `MAX_LIST`.
        PackageError: it is no file, or cannot be read.
    """
    if path.exists() and not path.is_file():
        raise PackageError("is not a regular file", where=str(path))
    return read(path, MAX_LIST)


def now() -> str:
    """This second in ISO 8601, as the published files have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
