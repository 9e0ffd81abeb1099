"""Packages that stay where they are worked on: a link in the home, or an entry in `alc.local.toml`."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any, Literal

from skep.errors import PackageError, PackageExists, PackageNotFound
from skep.strategy.files import locked
from skep.strategy.packages.layout import HomeFiles, ProjectFiles
from skep.strategy.packages.manifest import Wanted, add_wanted
from skep.strategy.packages.names import check_name, is_name
from skep.strategy.packages.offers import INIT
from skep.strategy.packages.trust import disown, vouch

Scope = Literal["global", "variant"]


def link_global(
    folder: Path, home: HomeFiles, *, name: str | None = None, force: bool = False
) -> dict[str, Any]:
    """Put links to the package `folder`, or to those in it, into the home; they are trusted as they change.

    Raises:
        PackageExists: something of that name is there; with `force` a link gives way, a folder does not.
        PackageError: there is no package, or a link cannot be made.
    """
    targets, mode = _targets(folder, name)
    with locked(home.lock):
        home.packages.mkdir(parents=True, exist_ok=True)
        for called in targets:
            _check_free(home.packages / called, force=force)
        for called, target in targets.items():
            _point(home.packages / called, target)
            vouch(home.trusted, called, folder=target)
    return _result(list(targets), targets, mode, "global")


def link_variant(
    folder: Path, home: HomeFiles, project: ProjectFiles, *, name: str | None = None
) -> dict[str, Any]:
    """Name the package `folder`, or those in it, in the project's `alc.local.toml`; an entry that is there stays.

    Raises:
        PackageError: there is no package, or the file cannot be read or written.
    """
    targets, mode = _targets(folder, name)
    with locked(project.lock):
        added = [
            called
            for called, target in targets.items()
            if add_wanted(project.local, called, Wanted(path=str(target)))
        ]
    with locked(home.lock):
        for called in added:
            vouch(home.trusted, called, folder=targets[called])
    return _result(added, targets, mode, "variant") | {"alc_local_toml": str(project.local)}


def unlink(name: str, home: HomeFiles) -> dict[str, Any]:
    """Take a link out of the home; what it leads to stays, and is no longer trusted.

    Raises:
        PackageNotFound: there is no package of that name.
        PackageError: it is no link.
    """
    link = home.packages / check_name(name)
    with locked(home.lock):
        if not link.is_symlink():
            if link.exists():
                raise PackageError(f"'{name}' is no link", where=str(link), fix=f"skep pkg remove {name}")
            raise PackageNotFound(f"no package '{name}' is linked", fix="skep pkg list shows those there are")
        disown(home.trusted, folder=link)
        link.unlink()
    return {"unlinked": name}


def _targets(folder: Path, name: str | None) -> tuple[dict[str, Path], str]:
    target = folder.resolve()
    if (target / INIT).is_file():
        return {check_name(name or target.name): target}, "single"
    inside = sorted(target.iterdir()) if target.is_dir() else []
    found = {entry.name: entry for entry in inside if is_name(entry.name) and (entry / INIT).is_file()}
    if not found:
        raise PackageError(
            f"no package is there: no {INIT}, neither there nor one level down", where=str(folder)
        )
    if name is not None:
        raise PackageError("a collection of packages takes no name", where=str(folder))
    return found, "collection"


def _check_free(place: Path, *, force: bool) -> None:
    if place.is_symlink():
        if not force:
            raise PackageExists(
                f"'{place.name}' is linked already", where=str(place), fix="--force links it anew"
            )
    elif place.exists():
        raise PackageExists(
            f"package '{place.name}' is installed", where=str(place), fix=f"skep pkg remove {place.name}"
        )


def _point(place: Path, target: Path) -> None:
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}.link")
    try:
        os.symlink(target, draft)  # noqa: PTH211 - beside replace(), which pathlib gives no better name
        draft.replace(place)
    except OSError as error:
        raise PackageError(f"cannot be linked: {error.strerror}", where=str(place)) from error


def _result(linked: list[str], targets: dict[str, Path], mode: str, scope: Scope) -> dict[str, Any]:
    return {
        "linked": linked,
        "mode": mode,
        "targets": {name: str(target) for name, target in targets.items()},
        "scope": scope,
    }
