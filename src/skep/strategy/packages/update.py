"""`skep pkg update`: `alc.lock` written anew from what `alc.toml` wants and what there is."""

from __future__ import annotations

from typing import Any

from skep.errors import LimitExceeded, PackageError, StrategyError
from skep.strategy.files import locked
from skep.strategy.packages.addresses import check_rev
from skep.strategy.packages.install import version_of
from skep.strategy.packages.installed import Installed, read_installed
from skep.strategy.packages.layout import HomeFiles, ProjectFiles
from skep.strategy.packages.manifest import Wanted, read_manifest
from skep.strategy.packages.offers import INIT
from skep.strategy.packages.pinned import Pinned, write_pinned
from skep.strategy.packages.sources import Source
from skep.strategy.packages.tree import digest_of, hashes, read_tree


def update(home: HomeFiles, project: ProjectFiles) -> dict[str, Any]:
    """Pin what is installed; what is wanted and not there is named with the command that brings it.

    Nothing is installed. Returns `{"resolved", "errors", "alc_lock"}`, the published form.

    Raises:
        PackageError: a file cannot be read or written.
    """
    with locked(project.lock):
        records = read_installed(home.installed)
        pinned: dict[str, Pinned] = {}
        errors: list[str] = []
        for name, wanted in read_manifest(project.manifest).items():
            try:
                pinned[name] = _pin(name, wanted, records.get(name), home, project)
            except (StrategyError, LimitExceeded) as error:
                errors.append(f"{name}: {error}")
        write_pinned(project.pinned, pinned)
    return {"resolved": len(pinned), "errors": errors, "alc_lock": str(project.pinned)}


def _pin(
    name: str, wanted: Wanted, record: Installed | None, home: HomeFiles, project: ProjectFiles
) -> Pinned:
    if wanted.path is not None:
        tree = read_tree(project.root / wanted.path)
        if INIT not in tree:
            raise PackageError(f"no {INIT} is there", where=wanted.path)
        version, source, commit = version_of(tree), Source(type="path", path=wanted.path), None
    else:
        folder = home.packages / name
        if not folder.is_dir():
            raise PackageError("is not installed", fix=f"skep pkg install {wanted.git or 'URL|FOLDER'}")
        tree = read_tree(folder)
        version = version_of(tree)
        source = record.source if record is not None else Source(type="unknown")
        commit = record.commit if record is not None else None
        _check_source(wanted, source)
        source = source if source.type == "git" else Source(type="installed")
    if wanted.version not in {None, "*", version}:
        raise PackageError(f"version {wanted.version} is wanted, and {version or 'none'} is there")
    return Pinned(name=name, source=source, version=version, commit=commit, digest=digest_of(hashes(tree)))


def _check_source(wanted: Wanted, source: Source) -> None:
    if wanted.git is None:
        return
    if source.url is None or source.url.removeprefix("https://") != wanted.git.removeprefix("https://"):
        raise PackageError(f"is installed from {source.told}", fix=f"skep pkg install {wanted.git}")
    if wanted.rev is not None and source.rev != check_rev(wanted.rev):
        raise PackageError(f"is installed at {source.rev or 'its main branch'}, not at {wanted.rev}")
