"""`trusted.json`: what the owner of the home vouches for, by the digest of its files or by its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from skep.errors import PackageError
from skep.strategy.files import replace
from skep.strategy.packages.files import now, read_list

Trust = Literal["trusted", "untrusted"]


KEPT = 16
"""Digests of one name: a package may lie in several places, and come back in an earlier version."""


class Vouched(Struct, kw_only=True):
    """For what, and since when."""

    name: str
    at: str


class TrustRecord(Struct, kw_only=True):
    """Digests of packages, and folders whose contents may change without being asked about again."""

    version: Literal[1] = 1
    digests: dict[str, Vouched] = {}
    folders: dict[str, Vouched] = {}

    def covers(self, folder: Path) -> bool:
        """Whether `folder`, with its links resolved, is one of the folders or lies in one."""
        return any(str(place) in self.folders for place in (folder, *folder.parents))


def read_trust(path: Path) -> TrustRecord:
    """The record; an empty one if there is no such file. Raises `PackageError`."""
    data = read_list(path)
    if data is None:
        return TrustRecord()
    try:
        return msgspec.json.decode(data, type=TrustRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PackageError(f"cannot be read: {error}"[:300], where=str(path)) from error


def vouch(path: Path, name: str, *, folder: Path) -> None:
    """Add a folder to the record. Only under the home's lock. Raises `PackageError`."""
    record = read_trust(path)
    record.folders.setdefault(str(folder.resolve()), Vouched(name=name, at=now()))
    _write(path, record)


def vouch_digests(path: Path, digests: Mapping[str, str]) -> None:
    """Add the digests of packages, by their names, to the record, which keeps the last few of each name.

    Only under the home's lock. Raises `PackageError`.
    """
    record = read_trust(path)
    for name, digest in digests.items():
        record.digests.pop(digest, None)
        record.digests[digest] = Vouched(name=name, at=now())
        older = [key for key, of in record.digests.items() if of.name == name][:-KEPT]
        for key in older:
            del record.digests[key]
    _write(path, record)


def disown(path: Path, *, folder: Path) -> None:
    """Take a folder out of the record. Only under the home's lock. Raises `PackageError`."""
    record = read_trust(path)
    if record.folders.pop(str(folder.resolve()), None) is not None:
        _write(path, record)


def withdraw(path: Path, name: str) -> int:
    """Take out all that is recorded under a name; how many records. Only under the home's lock."""
    record = read_trust(path)
    before = len(record.digests) + len(record.folders)
    record.digests = {key: of for key, of in record.digests.items() if of.name != name}
    record.folders = {key: of for key, of in record.folders.items() if of.name != name}
    _write(path, record)
    return before - len(record.digests) - len(record.folders)


def _write(path: Path, record: TrustRecord) -> None:
    replace(path, msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
