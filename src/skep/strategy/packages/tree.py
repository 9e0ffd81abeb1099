"""The files of a package: read within limits, named by one digest, written as a new folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from skep.errors import LimitExceeded, PackageError, SourceRefused
from skep.strategy.files import sync_folder

MAX_FILES = 10_000
MAX_BYTES = 64 << 20
MAX_DEPTH = 32
LEFT_OUT = frozenset({".git", ".hg", ".svn", "__pycache__"})
"""Folders that are no part of a package."""

Tree = dict[str, bytes]
"""Contents by path, `/` between its parts."""


def read_tree(folder: Path) -> Tree:
    """The files below `folder`. A link within it is read as the file that it leads to.

    Raises:
        SourceRefused: a link leads out of it, or something is neither file nor folder.
        LimitExceeded: it has too many files, bytes or levels.
        PackageError: it cannot be read.
    """
    root = folder.resolve()
    tree: Tree = {}
    size = 0
    try:
        for path, file in _walk(root, root, ()):
            with file.open("rb") as opened:
                tree[path] = opened.read(MAX_BYTES - size + 1)
            size += len(tree[path])
            check_size(len(tree), size, folder)
    except OSError as error:
        raise PackageError(f"cannot be read: {error.strerror}", where=str(folder)) from error
    return tree


def read_files(package: Path) -> Tree:
    """The files of a package that is a folder, as `read_tree`, or a single file."""
    if package.is_dir():
        return read_tree(package)
    try:
        return {package.name: package.read_bytes()}
    except OSError as error:
        raise PackageError(f"cannot be read: {error.strerror}", where=str(package)) from error


def check_size(files: int, size: int, where: Path | str) -> None:
    """Raises `LimitExceeded` for a tree of more files or bytes than are taken in."""
    if files > MAX_FILES:
        raise LimitExceeded("package_files", MAX_FILES, where=str(where))
    if size > MAX_BYTES:
        raise LimitExceeded("package_bytes", MAX_BYTES, where=str(where))


def _walk(root: Path, folder: Path, above: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    if len(above) > MAX_DEPTH:
        raise LimitExceeded("package_depth", MAX_DEPTH, where=str(root))
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = "/".join((*above, entry.name))
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in LEFT_OUT:
                yield from _walk(root, Path(entry.path), (*above, entry.name))
            continue
        file = Path(entry.path).resolve() if entry.is_symlink() else Path(entry.path)
        if not file.is_relative_to(root):
            raise SourceRefused(f"the link {path} leads out of the package", where=str(root))
        if not file.is_file():
            raise SourceRefused(f"{path} is not a regular file", where=str(root))
        yield path, file


def hashes(tree: Mapping[str, bytes]) -> dict[str, str]:
    """The SHA-256 of each file."""
    return {path: hashlib.sha256(data).hexdigest() for path, data in tree.items()}


def digest_of(files: Mapping[str, str]) -> str:
    """One digest for all files: that of the lines `sha256sum` prints for them, in the order of their paths' bytes.

    >>> digest_of({}) == "sha256:" + hashlib.sha256(b"").hexdigest()
    True
    """
    lines = sorted((path.encode(errors="surrogateescape"), digest) for path, digest in files.items())
    whole = hashlib.sha256(b"".join(digest.encode() + b"  " + path + b"\n" for path, digest in lines))
    return f"sha256:{whole.hexdigest()}"


def below(tree: Mapping[str, bytes], folder: str) -> Tree:
    """The part of a tree that lies in one of its folders."""
    prefix = f"{folder}/"
    return {path.removeprefix(prefix): data for path, data in tree.items() if path.startswith(prefix)}


def write_tree(tree: Mapping[str, bytes], target: Path, *, over: bool = False) -> None:
    """Make the folder `target` with these files: all of it appears at once, or nothing.

    With `over`, what is there goes. Raises `PackageError`, `SourceRefused` for a path that leads out.
    """
    for path in tree:
        parts = PurePosixPath(path).parts
        if not parts or ".." in parts or path.startswith("/"):
            raise SourceRefused(f"{path!r} is no path within a package", where=str(target))
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.old")
    try:
        _fill(tree, draft)
        if over and target.exists():
            target.rename(aside)
        draft.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        if aside.exists() and not target.exists():
            aside.rename(target)
        shutil.rmtree(draft, ignore_errors=True)
        raise PackageError(f"cannot be written: {error.strerror}", where=str(target)) from error
    if aside.exists():
        shutil.rmtree(aside)


def _fill(tree: Mapping[str, bytes], folder: Path) -> None:
    folder.mkdir(parents=True)
    for path, data in tree.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # Not flushed one by one: a file that a power cut tore has another digest, and is refused on load.
        file.write_bytes(data)


def sweep(folder: Path) -> None:
    """Undo what a process that was ended in `write_tree` left in `folder`. Only under the lock of that folder."""
    for left in [*folder.glob(".*.new"), *folder.glob(".*.old")]:
        name = left.name[1:].rsplit(".", 2)[0]
        if left.suffix == ".old" and not (folder / name).exists():
            left.rename(folder / name)
        else:
            shutil.rmtree(left)
