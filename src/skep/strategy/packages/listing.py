"""`skep pkg list`: every package in every place, the one that `require` gets marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from skep.errors import LimitExceeded, PackageChanged, SkepError
from skep.strategy.packages.installed import Installed, read_installed
from skep.strategy.packages.meta import read_meta
from skep.strategy.packages.names import is_name
from skep.strategy.packages.offers import INIT
from skep.strategy.packages.resolution import Packages
from skep.strategy.packages.roots import RootKind, SearchRoot

MAX_PACKAGES = 10_000
MAX_INIT = 1 << 20
_SCOPES: dict[RootKind, str] = {"variant": "variant", "local": "project", "pinned": "project"}
_SOURCES: dict[RootKind, str] = {
    "variant": "alc.local.toml",
    "local": "alc.local.toml",
    "pinned": "alc.lock",
    "given": "given",
    "environment": "ALC_PACKAGES_PATH",
    "home": "default",
    "bundled": "bundled",
}


class Found(Struct, frozen=True):
    """One package in one place."""

    name: str
    root: SearchRoot
    folder: Path


def list_packages(packages: Packages) -> dict[str, Any]:
    """Every package, in the published form, with `trust` beside it: the active ones first, then by name.

    Raises:
        LimitExceeded: there are more than `MAX_PACKAGES`.
        PackageError: the records of the home cannot be read.
    """
    records = read_installed(packages.home.installed) if packages.home is not None else {}
    by_name: dict[str, list[Found]] = {}
    for number, found in enumerate(_all(packages)):
        if number >= MAX_PACKAGES:
            raise LimitExceeded("packages", MAX_PACKAGES, where="skep pkg list")
        by_name.setdefault(found.name, []).append(found)
    rows = [
        _row(found, places, records.get(name) if found.root.kind == "home" else None, packages)
        for name, places in by_name.items()
        for found in places
    ]
    rows.sort(key=lambda row: (not row["active"], row["name"]))
    result: dict[str, Any] = {"packages": rows, "search_paths": _search_paths(packages)}
    if packages.project is not None:
        result |= {
            "project_root": str(packages.project.root),
            "lockfile_path": str(packages.project.pinned),
        }
    return result | ({"warnings": packages.warnings} if packages.warnings else {})


def _all(packages: Packages) -> Iterator[Found]:
    for root in packages.roots:
        if root.name is not None:
            yield Found(root.name, root, root.folder)
        elif root.folder.is_dir():
            for entry in sorted(root.folder.iterdir()):
                dangling = entry.is_symlink() and not entry.exists()
                if is_name(entry.name) and (dangling or (entry / INIT).is_file()):
                    yield Found(entry.name, root, entry)


def _row(found: Found, places: list[Found], record: Installed | None, packages: Packages) -> dict[str, Any]:
    kind, linked = found.root.kind, found.root.kind == "home" and found.folder.is_symlink()
    resolved = "bundled" if kind == "bundled" else "installed" if kind == "home" else "local_path"
    active = found is places[0]
    row: dict[str, Any] = {
        "name": found.name,
        "scope": _SCOPES.get(kind, "global"),
        "active": active,
        "path": str(found.folder),
        "resolved_source_path": str(found.folder.resolve()),
        "resolved_source_kind": "linked" if linked else resolved,
        "source_type": record.source.type if record is not None else _SOURCES[kind],
    }
    if active and len(places) > 1:
        row["override_paths"] = [str(other.folder) for other in places[1:]]
    if linked:
        broken = not found.folder.exists()
        row |= {"linked": True, "link_target": str(found.folder.readlink()), "broken": broken}
    if record is not None:
        row |= {
            "install_source": record.source.told,
            "installed_at": record.installed_at,
            "updated_at": record.updated_at,
        }
    return _described(row, found, packages)


def _described(row: dict[str, Any], found: Found, packages: Packages) -> dict[str, Any]:
    """With what the package says of itself; no word of it takes the place of ours."""
    if not (found.folder / INIT).is_file():
        return {**row, "version": None, "error": f"no {INIT} is there"}
    try:
        with (found.folder / INIT).open("rb") as file:
            meta = read_meta(file.read(MAX_INIT).decode(errors="replace"))
    except OSError as error:
        return {**row, "version": None, "error": f"{INIT}: {error.strerror}"}
    row = {"version": None, **meta.fields, **row}
    if row["active"]:
        try:
            row["trust"] = packages.trust_of(found.name)
        except PackageChanged as error:
            row |= {"trust": "changed", "error": str(error)}
        except SkepError as error:
            row |= {"trust": "untrusted", "error": str(error)}
    return row


def _search_paths(packages: Packages) -> list[dict[str, str]]:
    plain = [root for root in packages.roots if root.name is None]
    return [{"path": str(root.folder), "source": _SOURCES[root.kind]} for root in plain]
