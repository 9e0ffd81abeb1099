"""Removing: out of a project's files, and out of the home with its files."""

from __future__ import annotations

import secrets
import shutil
from typing import Any, Literal

from skep.errors import PackageError, PackageNotFound
from skep.strategy.files import locked
from skep.strategy.packages.installed import read_installed, write_installed
from skep.strategy.packages.layout import HomeFiles, ProjectFiles
from skep.strategy.packages.names import check_name
from skep.strategy.packages.project import forget

RemoveScope = Literal["project", "global", "all"]


def remove(
    name: str, scope: RemoveScope, home: HomeFiles, project: ProjectFiles | None = None
) -> dict[str, Any]:
    """Take a package out of the project's files, out of the home, or both.

    Out of the home goes the folder too, which the published tool leaves in the way of the next install.

    Raises:
        PackageNotFound: it is in none of them.
        PackageError: it is a link, there is no project, or a file cannot be written.
    """
    check_name(name)
    if scope == "project" and project is None:
        raise PackageError("no project is here: no alc.toml, neither here nor above", fix="--scope global")
    result: dict[str, Any] = {"removed": name, "scope": scope}
    found = False
    if project is not None and scope != "global":
        wanted, pinned = forget(project, name)
        result |= {"alc_toml": str(project.manifest), "alc_lock": str(project.pinned)}
        found = wanted or pinned
    if scope != "project":
        deleted = _from_home(name, home)
        result |= {"installed_json": str(home.installed), "deleted": deleted}
        found = found or deleted is not None
    if not found:
        raise PackageNotFound(f"no package '{name}' is there to be removed", where=scope)
    return result


def _from_home(name: str, home: HomeFiles) -> str | None:
    """The folder that has gone; the record alone counts as nothing found only if there is neither."""
    folder = home.packages / name
    with locked(home.lock):
        if folder.is_symlink():
            raise PackageError(f"'{name}' is a link", where=str(folder), fix=f"skep pkg unlink {name}")
        records = read_installed(home.installed)
        if records.pop(name, None) is None and not folder.exists():
            return None
        if folder.exists():
            # Renamed first: a folder that is half gone is never taken for the package.
            going = folder.with_name(f".{name}.{secrets.token_hex(4)}.new")
            folder.rename(going)
            shutil.rmtree(going)
        write_installed(home.installed, records)
    return str(folder)
