"""`alc.toml` and `alc.local.toml`: what a project wants, read strictly and edited without losing a comment."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from skep.errors import PackageError
from skep.strategy.files import replace
from skep.strategy.packages.files import read_list
from skep.strategy.packages.names import is_name


class Wanted(Struct, frozen=True, kw_only=True):
    """One package: any (`*`) or one version, a folder, or a repository."""

    version: str | None = None
    path: str | None = None
    git: str | None = None
    rev: str | None = None


def read_manifest(path: Path) -> dict[str, Wanted]:
    """The table `[packages]`; empty if there is no such file. Raises `PackageError`."""
    table = read_toml(path).get("packages", {})
    if not isinstance(table, dict):
        raise PackageError("[packages] is no table", where=str(path))
    return {
        name: _wanted(name, value, f"{path}: packages.{name[:100]}")
        for name, value in cast("dict[str, Any]", table).items()
    }


def read_toml(path: Path) -> dict[str, Any]:
    """All of a TOML file; empty if there is no such file. Raises `PackageError`."""
    data = read_list(path)
    try:
        return tomllib.loads((data or b"").decode())
    except (ValueError, RecursionError) as error:
        raise PackageError(f"is no TOML: {error}"[:300], where=str(path)) from error


def _wanted(name: str, value: object, where: str) -> Wanted:
    if not is_name(name):
        raise PackageError(f"{name[:100]!r} is no name for a package", where=where)
    if isinstance(value, str):
        return Wanted(version=value)
    if not isinstance(value, dict):
        raise PackageError("is neither a version nor a table", where=where)
    table = cast("dict[str, Any]", value)
    unknown = sorted(set(table) - set(Wanted.__struct_fields__))
    if unknown:
        raise PackageError(f"has the unknown key {unknown[0][:100]!r}", where=where)
    if not all(isinstance(text, str) for text in table.values()):
        raise PackageError("version, path, git and rev are texts", where=where)
    if "path" in table and "git" in table:
        raise PackageError("has both a path and a repository", where=where)
    return Wanted(**table)


def add_wanted(path: Path, name: str, wanted: Wanted) -> bool:
    """Add a package, unless it is there; whether it was added. Raises `PackageError`."""
    if name in read_manifest(path):
        return False
    import tomlkit  # noqa: PLC0415 - only an edit needs it, and it takes longer to import than all of skep

    document = tomlkit.parse((read_list(path) or b"").decode())
    packages = document.setdefault("packages", tomlkit.table())
    told = {field: text for field in Wanted.__struct_fields__ if (text := getattr(wanted, field)) is not None}
    if set(told) == {"version"}:
        packages[name] = told["version"]
    else:
        packages[name] = tomlkit.inline_table()
        packages[name].update(told)
    replace(path, tomlkit.dumps(document).encode())
    return True


def drop_wanted(path: Path, name: str) -> bool:
    """Take a package out; whether it was there. Raises `PackageError`."""
    if name not in read_manifest(path):
        return False
    import tomlkit  # noqa: PLC0415 - as above

    document = tomlkit.parse((read_list(path) or b"").decode())
    del cast("dict[str, Any]", document["packages"])[name]
    replace(path, tomlkit.dumps(document).encode())
    return True
