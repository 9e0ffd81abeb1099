"""The places in which packages are looked for, first to last (the published order)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from skep.errors import LimitExceeded, StrategyError
from skep.strategy.bundled import BUNDLED
from skep.strategy.packages.layout import HomeFiles, ProjectFiles
from skep.strategy.packages.manifest import read_manifest
from skep.strategy.packages.pinned import read_pinned

PATHS_VARIABLE = "ALC_PACKAGES_PATH"

RootKind = Literal["variant", "given", "local", "pinned", "environment", "home", "bundled"]
VOUCHED: frozenset[RootKind] = frozenset({"given", "environment", "bundled"})
"""Named by the owner's program, by the owner's environment, or ours: trusted whatever is in them."""


class SearchRoot(Struct, frozen=True):
    """A folder with packages or, where it has a `name`, the folder of that one package."""

    kind: RootKind
    folder: Path
    name: str | None = None


def search_roots(
    paths: Sequence[Path | str],
    extra_paths: Sequence[Path | str],
    home: HomeFiles | None,
    project: ProjectFiles | None,
    environ: Mapping[str, str] | None = None,
) -> tuple[list[SearchRoot], list[str]]:
    """The places in order, and what was wrong with the project's files: those are then passed over."""
    variants, local, pinned, problems = _of_project(project)
    variable = (os.environ if environ is None else environ).get(PATHS_VARIABLE, "")
    roots = [
        *variants,
        *(SearchRoot("given", Path(path)) for path in extra_paths),
        *local,
        *pinned,
        *(SearchRoot("given", Path(path)) for path in paths),
        *(SearchRoot("environment", Path(path)) for path in variable.split(os.pathsep) if path),
    ]
    if home is not None:
        roots.append(SearchRoot("home", home.packages))
    return [*roots, SearchRoot("bundled", BUNDLED)], problems


def _of_project(
    project: ProjectFiles | None,
) -> tuple[list[SearchRoot], list[SearchRoot], list[SearchRoot], list[str]]:
    if project is None:
        return [], [], [], []
    problems: list[str] = []
    local: dict[str, Path] = {}
    pinned: dict[str, Path] = {}
    try:
        wanted = read_manifest(project.local)
        local = {name: project.root / entry.path for name, entry in wanted.items() if entry.path}
    except (StrategyError, LimitExceeded) as error:
        problems.append(str(error))
    try:
        entries = read_pinned(project.pinned)
        pinned = {
            name: project.root / entry.source.path
            for name, entry in entries.items()
            if entry.source.type == "path" and entry.source.path
        }
    except (StrategyError, LimitExceeded) as error:
        problems.append(str(error))
    variants = [SearchRoot("variant", folder, name) for name, folder in local.items()]
    # A path in alc.lock is a folder with packages; people write that of the package itself as well.
    own = [
        SearchRoot("pinned", folder, name)
        for name, folder in pinned.items()
        if (folder / "init.lua").is_file()
    ]
    return (
        variants,
        [SearchRoot("local", folder) for folder in local.values()],
        [*own, *(SearchRoot("pinned", folder) for folder in pinned.values())],
        problems,
    )
