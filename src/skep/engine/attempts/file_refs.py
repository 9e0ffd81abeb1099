"""Taking in a `file_ref`: the file must be the attempt's own, its bytes become an artifact (DESIGN section 5)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from skep.core.outputs import FileRef
from skep.errors import BadFileRef
from skep.limits import Limits


def take_in(content: FileRef, roots: tuple[str, ...], limits: Limits) -> bytes:
    """The bytes of the file that `content` names.

    A relative path is taken from the first root. After resolving links the file must lie in one of `roots`.

    Raises:
        BadFileRef: outside the roots, not a regular file, unreadable, or over `max_value_bytes`.
    """
    if not roots:
        raise BadFileRef(
            "this attempt has no directory of its own", fix="set the run's work_dir", where=content.path
        )
    named = Path(roots[0]) / content.path
    try:
        descriptor = os.open(named, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise BadFileRef(f"cannot be opened: {error}", where=content.path) from error
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise BadFileRef("is not a regular file", where=content.path)
        if not _inside(descriptor, named, roots):
            fix = f"write it below {roots[0]}"
            raise BadFileRef("lies outside the attempt's directories", where=content.path, fix=fix)
        if info.st_size > limits.max_value_bytes:
            raise BadFileRef(f"is larger than max_value_bytes {limits.max_value_bytes:,}", where=content.path)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limits.max_value_bytes)
    finally:
        os.close(descriptor)


def _inside(descriptor: int, named: Path, roots: tuple[str, ...]) -> bool:
    """Judge the file that is open, not the name: a link may change in between."""
    proc = Path(f"/proc/self/fd/{descriptor}")
    real = proc.resolve() if proc.exists() else named.resolve()
    return any(real.is_relative_to(Path(root).resolve()) for root in roots)
