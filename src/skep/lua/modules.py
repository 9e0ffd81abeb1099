"""Where `require` looks: files below given roots, and nowhere else."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from skep.errors import ConversionError, LimitExceeded, LuaError

_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_LONGEST = 200

Find = Callable[[str], tuple[str, ...]]
"""Finds a module by its name: see `Roots.find`."""


class Roots:
    """Folders with modules, searched in order: `a.b` is `a/b.lua`, else `a/b/init.lua`.

    Links are resolved first, those of the roots too; a file outside its root is refused and ends the search.
    """

    def __init__(self, roots: Sequence[Path | str], largest: int) -> None:
        self._roots = tuple(Path(root).resolve() for root in roots)
        self._largest = largest

    def find(self, name: str) -> tuple[str, ...]:
        """`("found", source, place)`, with the place relative to its root, or `("absent", why)`.

        Raises:
            LuaError: the file lies outside its root, is no regular file or cannot be read.
            ConversionError: it is not UTF-8.
            LimitExceeded: it is larger than a source may be.
        """
        if len(name) > _LONGEST or not _NAME.fullmatch(name):
            return "absent", "no file has such a name"
        stem = name.replace(".", "/")
        for root in self._roots:
            for place in (f"{stem}.lua", f"{stem}/init.lua"):
                source = self._read(root, place)
                if source is not None:
                    return "found", source, place
        return "absent", f"no file {stem}.lua or {stem}/init.lua in {len(self._roots)} roots"

    def _read(self, root: Path, place: str) -> str | None:
        try:
            file = (root / place).resolve(strict=True)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, RuntimeError) as error:
            raise LuaError(f"module {place} cannot be found: {error}") from error
        if not file.is_relative_to(root):
            raise LuaError(f"module {place} lies outside its root")
        try:
            data = _read_regular(file, self._largest + 1)
        except OSError as error:
            raise LuaError(f"module {place} cannot be read: {error.strerror}") from error
        if len(data) > self._largest:
            raise LimitExceeded("source", self._largest, where=place)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise ConversionError("the module is not UTF-8", where=place) from error


def _read_regular(file: Path, size: int) -> bytes:
    # Opened without following a link that came after resolving, and without waiting for a pipe's other end.
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with os.fdopen(handle, "rb", closefd=False) as opened:
            return opened.read(size)
    finally:
        os.close(handle)
