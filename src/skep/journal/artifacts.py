"""Artifacts as files: content-addressed, complete or absent.

A file is written and synced in `staging/` and then linked to its place, `ab/cdef...`. Its staging name goes
when the store knows the artifact, so what a crash left behind is found without walking through all files.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from skep.errors import BlobNotFound, StoreCorrupt
from skep.journal.place import make_directories, sync_directory

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ORPHAN_SECONDS = 3600.0
"""Long enough for any live process to have recorded what it staged."""
_REMEMBERED = 4_096


def is_digest(text: str) -> bool:
    """Whether `text` can be the name of an artifact; anything else never reaches a path."""
    return _SHA256.fullmatch(text) is not None


def blob_not_found(sha256: str, log: str | None) -> BlobNotFound:
    """Unknown to the store, or not `log`'s to read: which of the two is not told."""
    who = "in this store" if log is None else f"among those that {log} mentions"
    return BlobNotFound(f"no artifact {sha256[:64]!r} {who}", where=log)


class ArtifactFiles:
    """The directory of one store's artifacts.

    Args:
        root: made when the first artifact comes.
        sync: make each file survive a power cut before it counts as written.
    """

    def __init__(self, root: Path, *, sync: bool) -> None:
        self._root = root
        self._staging = root / "staging"
        self._sync = sync
        self._synced: set[str] = set()

    def path(self, sha256: str) -> Path:
        return self._root / sha256[:2] / sha256[2:]

    def has(self, sha256: str) -> bool:
        return self.path(sha256).exists()

    def stage(self, sha256: str, data: bytes) -> Path | None:
        """Put `data` in its place; returns the staging name to `settle` once the store knows it.

        `None` when the file is there already. Raises `OSError`.
        """
        place = self.path(sha256)
        staged = None
        if not place.exists():
            make_directories(place.parent)
            make_directories(self._staging)
            staged = self._staging / f"{sha256}.{secrets.token_hex(4)}"
            self._write(staged, data)
            _link(staged, place)
        if self._sync and (staged is not None or sha256 not in self._synced):
            # Also for a file that was there: whoever wrote it may not have come this far yet.
            for directory in (place.parent, self._root, self._root.parent):
                sync_directory(directory)
            self._remember(sha256)
        return staged

    def settle(self, staged: Path | None) -> None:
        """The store knows the artifact."""
        if staged is not None:
            staged.unlink(missing_ok=True)

    def read(self, sha256: str) -> bytes:
        """The verified bytes.

        Raises:
            StoreCorrupt: the file is missing, unreadable, or not what its name says.
        """
        place = self.path(sha256)
        try:
            data = place.read_bytes()
        except OSError as error:
            raise _damaged(place, f"an artifact cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _damaged(place, "an artifact is not what its name says")
        return data

    def leftovers(self, older_than: float = _ORPHAN_SECONDS) -> list[Path]:
        """What was staged more than so many seconds ago, and never settled."""
        if not self._staging.is_dir():
            return []
        before = time.time() - older_than
        return [staged for staged in self._staging.iterdir() if _written(staged) < before]

    def sweep(self, leftovers: Iterable[Path], known: Callable[[str], bool]) -> int:
        """Remove leftovers, with the artifacts that the store does not know; returns how many those are.

        Call it under the store's write lock: then nobody records what goes.
        """
        removed = 0
        for staged in leftovers:
            sha256 = staged.name[:64]
            if is_digest(sha256) and not known(sha256):
                self.path(sha256).unlink(missing_ok=True)
                removed += 1
            staged.unlink(missing_ok=True)
        return removed

    def _remember(self, sha256: str) -> None:
        if len(self._synced) >= _REMEMBERED:
            self._synced.clear()
        self._synced.add(sha256)

    def _write(self, path: Path, data: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - pathlib cannot open with a mode of its own
            file.write(data)
            file.flush()
            if self._sync:
                os.fsync(descriptor)


def _written(staged: Path) -> float:
    try:
        return staged.lstat().st_mtime
    except FileNotFoundError:
        # Its writer, alive after all, has settled it meanwhile.
        return math.inf


def _link(staged: Path, place: Path) -> None:
    try:
        place.hardlink_to(staged)
    except FileExistsError:
        return
    except OSError:
        # No hard links on this file system: a crash right after this may leave a file that nobody mentions.
        staged.replace(place)


def _damaged(path: Path, what: str) -> StoreCorrupt:
    return StoreCorrupt(what, where=str(path), fix="restore the file from a backup")
