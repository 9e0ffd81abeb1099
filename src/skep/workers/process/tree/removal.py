"""Removing a folder that strangers have filled: no link is followed, depth and number do not matter."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress

REMOVE_SECONDS = 30.0


def remove(path: str, seconds: float = REMOVE_SECONDS) -> bool:
    """Remove a folder with all that is in it, or what stands in its place; whether it is gone within the time.

    Folders inside are moved up next to the first one, so that no path grows long and no call nests.
    """
    with suppress(OSError):
        os.rmdir(path)
        return True
    end = time.monotonic() + seconds
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            os.unlink(path)
            return True
        os.chmod(path, stat.S_IRWXU)
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        _empty(top, end)
    except OSError:
        return False
    finally:
        os.close(top)
    with suppress(OSError):
        os.rmdir(path)
    return not os.path.lexists(path)


def _empty(top: int, end: float) -> None:
    """Empty the folder, one level at a time."""
    moved = 0
    while time.monotonic() < end:
        with os.scandir(top) as entries:
            folders = [entry.name for entry in entries if not _unlinked(entry, top)]
        if not folders:
            return
        for name in folders:
            moved = _flatten(top, name, moved, end)


def _flatten(top: int, name: str, moved: int, end: float) -> int:
    """Remove one folder of `top`; those inside it move up into `top`."""
    os.chmod(name, stat.S_IRWXU, dir_fd=top, follow_symlinks=True)
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if time.monotonic() > end:
                    return moved
                if not _unlinked(entry, folder):
                    moved += 1
                    os.chmod(entry.name, stat.S_IRWXU, dir_fd=folder, follow_symlinks=True)
                    os.rename(
                        entry.name, f".{moved}.{os.urandom(8).hex()}", src_dir_fd=folder, dst_dir_fd=top
                    )
    finally:
        os.close(folder)
    os.rmdir(name, dir_fd=top)
    return moved


def _unlinked(entry: os.DirEntry[str], folder: int) -> bool:
    """Remove what is no folder; whether it was none."""
    if entry.is_dir(follow_symlinks=False):
        return False
    os.unlink(entry.name, dir_fd=folder)
    return True
