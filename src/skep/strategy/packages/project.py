"""The files of a project, kept in step with what is installed for it."""

from __future__ import annotations

from collections.abc import Iterable

from skep.strategy.files import locked
from skep.strategy.packages.layout import ProjectFiles
from skep.strategy.packages.manifest import Wanted, add_wanted, drop_wanted
from skep.strategy.packages.pinned import Pinned, read_pinned, write_pinned


def want(project: ProjectFiles, got: Iterable[Pinned]) -> None:
    """Add packages to `alc.toml`, where a wish that is there stays, and pin them in `alc.lock`.

    Raises:
        PackageError: one of the files cannot be read or written.
    """
    with locked(project.lock):
        pinned = read_pinned(project.pinned)
        for package in got:
            add_wanted(project.manifest, package.name, Wanted(version="*"))
            pinned[package.name] = package
        write_pinned(project.pinned, pinned)


def forget(project: ProjectFiles, name: str) -> tuple[bool, bool]:
    """Take a package out of `alc.toml` and `alc.lock`; whether it was in each. Raises `PackageError`."""
    with locked(project.lock):
        wanted = drop_wanted(project.manifest, name)
        pinned = read_pinned(project.pinned)
        held = pinned.pop(name, None) is not None
        if held:
            write_pinned(project.pinned, pinned)
    return wanted, held
