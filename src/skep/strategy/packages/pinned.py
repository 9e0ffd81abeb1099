"""`alc.lock`: what a project got, package by package."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from skep.errors import PackageError
from skep.strategy.files import replace
from skep.strategy.packages.manifest import read_toml
from skep.strategy.packages.names import is_name
from skep.strategy.packages.sources import Source, read_source

VERSION = 1


class Pinned(Struct, frozen=True, kw_only=True):
    """One package. `commit` and `digest`, of all its files, are ours; other programs pass them over."""

    name: str
    source: Source
    version: str | None = None
    commit: str | None = None
    digest: str | None = None


def read_pinned(path: Path) -> dict[str, Pinned]:
    """The entries by name; none if there is no such file.

    Raises:
        PackageError: it cannot be read, or has another version than 1.
    """
    document = read_toml(path)
    if not document:
        return {}
    if document.get("version") != VERSION:
        raise PackageError(
            f"unsupported alc.lock version {document.get('version')}: expected {VERSION}"[:200],
            where=str(path),
        )
    entries = document.get("package", [])
    if not isinstance(entries, list):
        raise PackageError("package is no array of tables", where=str(path))
    read = [_pinned(entry, path) for entry in cast("list[Any]", entries)]
    return {entry.name: entry for entry in read}


def _pinned(entry: object, path: Path) -> Pinned:
    table = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    name = table.get("name")
    if not isinstance(name, str) or not is_name(name):
        raise PackageError(f"{name!r} is no name for a package"[:200], where=str(path))
    told = {field: table.get(field) for field in ("version", "commit", "digest")}
    if not all(isinstance(value, str | None) for value in told.values()):
        raise PackageError("version, commit and digest are texts", where=f"{path}: {name}")
    return Pinned(name=name, source=read_source(table.get("source"), f"{path}: {name}"), **told)


def write_pinned(path: Path, entries: Mapping[str, Pinned]) -> None:
    """Replace the file, the packages in the order of their names. Raises `PackageError`."""
    import tomlkit  # noqa: PLC0415 - as in manifest.py

    packages = [_table(entries[name]) for name in sorted(entries)]
    replace(path, tomlkit.dumps({"version": VERSION, "package": packages}).encode())


def _table(entry: Pinned) -> dict[str, Any]:
    told = {field: getattr(entry, field) for field in ("name", "version", "commit", "digest")}
    return {field: value for field, value in told.items() if value is not None} | {
        "source": entry.source.fields()
    }
