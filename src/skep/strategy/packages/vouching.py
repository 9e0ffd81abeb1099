"""`skep pkg trust`: the owner has looked at a package and lets these very files run as trusted."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from skep.errors import PackageError
from skep.strategy.files import locked
from skep.strategy.packages.files import now
from skep.strategy.packages.installed import read_installed, write_installed
from skep.strategy.packages.meta import read_meta
from skep.strategy.packages.pinned import read_pinned, write_pinned
from skep.strategy.packages.resolution import Packages
from skep.strategy.packages.roots import VOUCHED
from skep.strategy.packages.tree import digest_of, hashes, read_files
from skep.strategy.packages.trust import vouch_digests, withdraw


def trust(name: str, packages: Packages) -> dict[str, Any]:
    """Record what the package `name` is now as trusted and, if it is installed, as what was installed.

    Raises:
        PackageNotFound: there is none.
        PackageError: there is no home, or its records cannot be written.
    """
    module, home = packages.locate(name), packages.home
    if home is None:
        raise PackageError("trust is recorded in a home, and there is none")
    digest = digest_of(hashes(read_files(module.folder)))
    if module.root.kind not in VOUCHED:
        with locked(home.lock):
            vouch_digests(home.trusted, {name: digest})
            records = read_installed(home.installed)
            if module.installed and name in records:
                version = read_meta(module.source).version
                records[name] = structs.replace(
                    records[name], digest=digest, version=version, updated_at=now()
                )
                write_installed(home.installed, records)
        _pin_anew(name, digest, packages)
    return {"trusted": name, "digest": digest, "path": str(module.folder)}


def _pin_anew(name: str, digest: str, packages: Packages) -> None:
    project = packages.project
    if project is None:
        return
    with locked(project.lock):
        pinned = read_pinned(project.pinned)
        if name in pinned and pinned[name].digest is not None:
            pinned[name] = structs.replace(pinned[name], digest=digest)
            write_pinned(project.pinned, pinned)


def distrust(name: str, packages: Packages) -> dict[str, Any]:
    """Take back all that was recorded as trusted under this name. Raises `PackageError`."""
    home = packages.home
    if home is None:
        raise PackageError("trust is recorded in a home, and there is none")
    with locked(home.lock):
        gone = withdraw(home.trusted, name)
    return {"distrusted": name, "records": gone}
