"""What a folder or a repository has to install: one package, or a collection of them."""

from __future__ import annotations

import posixpath
from pathlib import Path

from msgspec import Struct

from skep.errors import PackageError, SourceRefused
from skep.strategy.packages.addresses import Resolve, check_repository, lookup
from skep.strategy.packages.git import Fetched, fetch
from skep.strategy.packages.names import is_name
from skep.strategy.packages.settings import PackageSettings
from skep.strategy.packages.sources import Source
from skep.strategy.packages.tree import Tree, below, read_tree

INIT = "init.lua"
SCENARIOS = "scenarios"


class Offer(Struct, frozen=True, kw_only=True):
    """Packages by name, and where they are from. `misnamed` are folders that cannot be packages."""

    packages: dict[str, Tree]
    single: bool
    source: Source
    commit: str | None = None
    scenarios: Tree = {}
    misnamed: tuple[str, ...] = ()


def offer_of_folder(folder: Path, name: str | None = None) -> Offer:
    """Of a folder on this machine. Raises `PackageError`, `LimitExceeded`."""
    source = Source(type="path", path=str(folder))
    if (folder / INIT).is_file():
        return _single(name or folder.resolve().name, read_tree(folder), source, None)
    if not folder.is_dir():
        raise PackageError("there is no such folder", where=str(folder))
    found = {entry.name: entry for entry in sorted(folder.iterdir()) if (entry / INIT).is_file()}
    scenarios = folder / SCENARIOS
    return _collection(
        {called: read_tree(entry) for called, entry in found.items() if is_name(called)},
        name,
        source,
        tuple(called for called in found if not is_name(called)),
        scenarios=read_tree(scenarios) if scenarios.is_dir() else {},
    )


def offer_of_repository(
    given: str,
    name: str | None = None,
    *,
    rev: str | None = None,
    settings: PackageSettings,
    resolve: Resolve = lookup,
) -> Offer:
    """Of a repository, which git is asked for. Raises `SourceRefused`, `PackageError`, `LimitExceeded`."""
    repository = check_repository(given, settings, resolve)
    protocol = repository.url.partition(":")[0].lower()
    fetched = fetch(repository, rev, protocol=protocol, timeout=settings.git_timeout)
    source = Source(type="git", url=repository.url, rev=rev)
    tree = fetched.tree
    if INIT in tree:
        return _single(name or repository.name, _with_links(fetched, ""), source, fetched.commit)
    found = [
        path.removesuffix(f"/{INIT}") for path in tree if path.count("/") == 1 and path.endswith(f"/{INIT}")
    ]
    return _collection(
        {called: below(_with_links(fetched, f"{called}/"), called) for called in found if is_name(called)},
        name,
        source,
        tuple(called for called in found if not is_name(called)),
        scenarios=below(tree, SCENARIOS),
        commit=fetched.commit,
    )


def _single(name: str, tree: Tree, source: Source, commit: str | None) -> Offer:
    if not is_name(name):
        raise PackageError(f"{name[:100]!r} is no name for a package", fix="give it another: --name NAME")
    return Offer(packages={name: tree}, single=True, source=source, commit=commit)


def _collection(
    packages: dict[str, Tree],
    name: str | None,
    source: Source,
    misnamed: tuple[str, ...],
    *,
    scenarios: Tree,
    commit: str | None = None,
) -> Offer:
    if not packages:
        raise PackageError(
            f"no package is there: no {INIT}, neither there nor one level down", where=source.told
        )
    if name is not None:
        raise PackageError("a collection of packages takes no name", where=source.told)
    lua = {path: data for path, data in scenarios.items() if path.endswith(".lua") and "/" not in path}
    return Offer(
        packages=packages, single=False, source=source, commit=commit, scenarios=lua, misnamed=misnamed
    )


def _with_links(fetched: Fetched, prefix: str) -> Tree:
    """The tree, with the links of one folder read as the files that they lead to within it."""
    tree = dict(fetched.tree)
    for path, target in fetched.links.items():
        if not path.startswith(prefix):
            continue
        aim = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if not aim.startswith(prefix) or aim not in fetched.tree:
            raise SourceRefused(f"the link {path} leads out of the package, or to no file")
        tree[path] = fetched.tree[aim]
    return tree
