"""Whether a module may be loaded: it is what was installed, and whether the owner vouches for it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from skep.errors import LimitExceeded, PackageChanged, StrategyError
from skep.strategy.packages.installed import Installed, find_installed
from skep.strategy.packages.layout import HomeFiles, ProjectFiles
from skep.strategy.packages.module import Module
from skep.strategy.packages.pinned import Pinned, read_pinned
from skep.strategy.packages.roots import VOUCHED
from skep.strategy.packages.tree import digest_of, hashes, read_files
from skep.strategy.packages.trust import Trust, TrustRecord, read_trust


class Admission:
    """Judges the modules of one home and project."""

    def __init__(self, home: HomeFiles | None, project: ProjectFiles | None) -> None:
        self._home = home
        self._project = project
        self._known: _Records | None = None

    def judge(self, module: Module) -> Trust:
        """Whether the module may run as trusted.

        The source that was read is compared, not the file: what is loaded is what was judged.

        Raises:
            PackageChanged: the package is installed, and its files are not those that were.
            PackageError: the home's records cannot be read.
        """
        if module.root.kind in VOUCHED:
            return "trusted"
        if self._known is not None:
            try:
                if self._known.judge(module) == "trusted":
                    return "trusted"
            except PackageChanged:
                pass  # by records that may be old: those of now decide
        self._known = _Records(self._home, self._project)
        return self._known.judge(module)


class _Records:
    """What the files said, and what lay in the packages' folders, when they were first asked for."""

    def __init__(self, home: HomeFiles | None, project: ProjectFiles | None) -> None:
        self._trust = read_trust(home.trusted) if home is not None else TrustRecord()
        self._list = home.installed if home is not None else None
        self._installed: dict[str, Installed | None] = {}
        self._pinned = _pinned(project)
        self._files: dict[Path, dict[str, str]] = {}

    def judge(self, module: Module) -> Trust:
        if module.installed:
            self._check_unchanged(module)
        if self._trust.covers(module.folder):
            return "trusted"
        if self._trust.digests and self._holds(module) and self._digest(module) in self._trust.digests:
            return "trusted"
        return "untrusted"

    def _check_unchanged(self, module: Module) -> None:
        name = module.package
        recorded, pinned = self._recorded(name), self._pinned.get(name)
        if recorded is not None and not (self._holds(module) and self._digest(module) == recorded):
            raise PackageChanged(
                f"package {name} is not what was installed",
                where=str(module.folder),
                fix=f"look at it, then skep pkg trust {name}; or skep pkg remove {name} and install it again",
            )
        if pinned is not None and pinned.digest is not None and self._digest(module) != pinned.digest:
            raise PackageChanged(
                f"package {name} is not what alc.lock pins",
                where=str(module.folder),
                fix="install what it pins, or write the lock again: skep pkg update",
            )

    def _recorded(self, name: str) -> str | None:
        """The digest of what was installed."""
        if name not in self._installed and self._list is not None:
            self._installed[name] = find_installed(self._list, name)
        entry = self._installed.get(name)
        return entry.digest if entry is not None else None

    def _digest(self, module: Module) -> str:
        return digest_of(self._hashes(module.folder))

    def _holds(self, module: Module) -> bool:
        """Whether the folder, when it was read, held this very source."""
        source = hashlib.sha256(module.source.encode()).hexdigest()
        return self._hashes(module.folder).get(module.inside) == source

    def _hashes(self, folder: Path) -> dict[str, str]:
        if folder not in self._files:
            self._files[folder] = hashes(read_files(folder))
        return self._files[folder]


def _pinned(project: ProjectFiles | None) -> dict[str, Pinned]:
    if project is None:
        return {}
    try:
        return read_pinned(project.pinned)
    except (StrategyError, LimitExceeded):
        return {}  # said already, when the places were listed
