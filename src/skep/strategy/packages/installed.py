"""`installed.json`: what was installed into the home, from where, and as what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from skep.errors import PackageError
from skep.strategy.files import replace
from skep.strategy.packages.files import read_list
from skep.strategy.packages.names import is_name
from skep.strategy.packages.sources import Source, read_source


class Installed(Struct, frozen=True, kw_only=True):
    """One package. `commit` and `digest` are ours: an entry without a digest was written by another program."""

    version: str | None = None
    source: Source = Source(type="unknown")
    installed_at: str = ""
    updated_at: str = ""
    commit: str | None = None
    digest: str | None = None


class _Entry(Struct):
    version: str | None = None
    source: Any = ""
    installed_at: str = ""
    updated_at: str = ""
    commit: str | None = None
    digest: str | None = None


class _File(Struct):
    packages: dict[str, _Entry] = {}


def read_installed(path: Path) -> dict[str, Installed]:
    """The entries by name; none if there is no such file. Raises `PackageError`."""
    return {name: _entry(name, entry, path) for name, entry in _read(path).packages.items()}


def find_installed(path: Path, name: str) -> Installed | None:
    """One entry; the others are not looked at. Raises `PackageError`."""
    entry = _read(path).packages.get(name)
    return _entry(name, entry, path) if entry is not None else None


def _read(path: Path) -> _File:
    data = read_list(path)
    if data is None:
        return _File()
    try:
        return msgspec.json.decode(data, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PackageError(f"cannot be read: {error}"[:300], where=str(path)) from error


def _entry(name: str, entry: _Entry, path: Path) -> Installed:
    if not is_name(name):
        raise PackageError(f"{name[:100]!r} is no name for a package", where=str(path))
    return Installed(
        version=entry.version,
        source=read_source(entry.source, f"{path}: {name}"),
        installed_at=entry.installed_at,
        updated_at=entry.updated_at,
        commit=entry.commit,
        digest=entry.digest,
    )


def write_installed(path: Path, entries: Mapping[str, Installed]) -> None:
    """Replace the file. Raises `PackageError`."""
    packages = {name: _fields(entries[name]) for name in sorted(entries)}
    replace(path, msgspec.json.format(msgspec.json.encode({"packages": packages}), indent=2) + b"\n")


def _fields(entry: Installed) -> dict[str, Any]:
    told: dict[str, Any] = {
        "version": entry.version,
        "source": entry.source.fields(),
        "installed_at": entry.installed_at,
        "updated_at": entry.updated_at,
    }
    ours = {"commit": entry.commit, "digest": entry.digest}
    return told | {name: value for name, value in ours.items() if value is not None}
