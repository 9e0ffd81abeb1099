"""The files of a home: replaced as a whole, bounded, locked across processes, under names that stay in their folder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec

from skep.errors import LimitExceeded, StrategyError

MAX_NAME = 128
"""Bytes of a name that becomes part of a path."""
MAX_FILE = 64 << 20
"""Bytes of one file of a home."""


def is_name(text: object) -> bool:
    """Whether a text may name a file: it cannot leave its folder, and is no hidden file.

    >>> [is_name(text) for text in ("a-b.c", "", "..", "a/b", "a..b", ".x", "a" * 129)]
    [True, False, False, False, False, False, False]
    """
    return (
        isinstance(text, str)
        and 0 < len(text.encode(errors="replace")) <= MAX_NAME
        and text.isprintable()
        and not text.startswith(".")
        and not any(part in text for part in ("/", "\\", ".."))
    )


def check_name(text: object, what: str) -> str:
    """`text`, if it may name a file. Raises `StrategyError` in the published words, `Invalid WHAT: 'TEXT'`."""
    if not isinstance(text, str) or not is_name(text):
        raise StrategyError(f"Invalid {what}: '{str(text)[:100]}'")
    return text


def read(path: Path, limit: int = MAX_FILE) -> bytes | None:
    """What is in `path`; null if there is no such file.

    Raises:
        LimitExceeded: it is larger than `limit`.
        StrategyError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StrategyError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) > limit:
        raise LimitExceeded("file_bytes", limit, where=str(path))
    return data


def replace(path: Path, data: bytes) -> None:
    """Write `path` so that a reader sees the old or the new, also after a power cut.

    One writer at a time: whoever may have another beside it holds a lock. A draft that a dead one has left is
    written over by the next.

    Raises:
        LimitExceeded: more than `MAX_FILE` bytes.
        StrategyError: it cannot be written; the old file is as it was.
    """
    if len(data) > MAX_FILE:
        raise LimitExceeded("file_bytes", MAX_FILE, where=str(path))
    draft = draft_of(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        sync_folder(path.parent)
    except OSError as error:
        raise StrategyError(f"cannot be written: {error.strerror}", where=str(path)) from error


def draft_of(path: Path) -> Path:
    """Where the new content of a file stands until it is whole."""
    return path.with_name(f".{path.name}.tmp")


def sync_folder(folder: Path) -> None:
    """Make what was renamed in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock file `path` against every other process and thread. Raises `StrategyError`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StrategyError(f"cannot be locked: {error.strerror}", where=str(path)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def pretty(value: Any) -> bytes:
    """JSON as the published files have it: sorted names, two spaces."""
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2)


def newest_first(folder: Path, suffix: str) -> list[tuple[float, Path]]:
    """When each file of a folder was written, with the file; one that goes meanwhile is not there."""
    found: list[tuple[float, Path]] = []
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    for entry in entries:
        if entry.name.endswith(suffix) and not entry.name.startswith("."):
            with contextlib.suppress(FileNotFoundError):
                found.append((entry.stat().st_mtime, Path(entry.path)))
    return sorted(found, key=lambda item: (-item[0], item[1].name))
