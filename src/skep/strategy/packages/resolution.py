"""Which file `require` gets: the first of the places that has it, if it may be loaded."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from skep.errors import LuaError, PackageNotFound, PackageUntrusted
from skep.lua.limits import DEFAULT_LIMITS
from skep.lua.modules import Find, Roots
from skep.strategy.packages.admission import Admission
from skep.strategy.packages.layout import HomeFiles, ProjectFiles
from skep.strategy.packages.module import Module
from skep.strategy.packages.names import is_name
from skep.strategy.packages.roots import SearchRoot, search_roots
from skep.strategy.packages.trust import Trust

log = logging.getLogger("skep.strategy")

STRICT_VARIABLE = "ALC_PKG_STRICT"


class Packages:
    """Finds packages and says whether they may be trusted. Threads may share one.

    Args:
        paths: folders with packages, after `extra_paths` and before the home's.
        extra_paths: searched before all but what the project puts in the place of a package.
        home: what was installed; without it nothing is.
        project_root: a folder with `alc.toml` and the files beside it; see `find_project`.
        largest: bytes of one source.
        environ: another environment than the process's own.

    A folder that is not there is warned of, counted in `missing`, and looked at again each time.
    """

    def __init__(
        self,
        paths: Sequence[Path | str] = (),
        extra_paths: Sequence[Path | str] = (),
        home: Path | str | None = None,
        project_root: Path | str | None = None,
        *,
        largest: int = DEFAULT_LIMITS.source,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        env = os.environ if environ is None else environ
        self.home = HomeFiles(Path(home)) if home is not None else None
        self.project = ProjectFiles(Path(project_root)) if project_root is not None else None
        self.roots, self.problems = search_roots(paths, extra_paths, self.home, self.project, env)
        for problem in self.problems:
            log.warning("packages: %s", problem)
        self.missing: dict[str, int] = {}
        self._largest = largest
        self._strict = env.get(STRICT_VARIABLE) in {"1", "true"}
        self._searched: dict[Path, Roots] = {}
        self._admission = Admission(self.home, self.project)

    # -- for scripts ---------------------------------------------------------------------------

    def finder(self, trust: Trust) -> Find:
        """What `require` asks, in a script that runs as trusted or in a process of its own.

        A trusted script gets trusted packages only: `PackageUntrusted` is an error at its `require`.
        """

        def find(name: str) -> tuple[str, ...]:
            module = self._search(name)
            if module is None:
                return "absent", f"no package has it in {len(self.roots)} places"
            if self._admission.judge(module) != "trusted" and trust == "trusted":
                raise PackageUntrusted(
                    f"package {module.package} is not trusted",
                    where=str(module.folder),
                    fix=f"look at it, then skep pkg trust {module.package}",
                )
            return "found", module.source, module.place

        return find

    # -- for hosts -----------------------------------------------------------------------------

    def locate(self, name: str) -> Module:
        """The first module of a package. Raises `PackageNotFound`, and what `Roots.find` raises."""
        found = self._search(name) if is_name(name) else None
        if found is None:
            raise PackageNotFound(
                f"no package is called {name[:100]!r}",
                fix="skep pkg list shows those there are; skep pkg install URL|FOLDER brings one",
            )
        return found

    def trust_of(self, name: str) -> Trust:
        """Whether the package may run in this process (R-trust).

        Raises:
            PackageNotFound: there is none.
            PackageChanged: its files are not those that were installed.
        """
        return self._admission.judge(self.locate(name))

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the places themselves."""
        missing = [f"{path} does not exist ({count} times)" for path, count in sorted(self.missing.items())]
        return [*self.problems, *missing]

    # -- looking -------------------------------------------------------------------------------

    def _search(self, name: str) -> Module | None:
        package, *rest = name.split(".")
        if not all((package, *rest)):
            return None
        for root in self.roots:
            if root.name in {None, package} and self._exists(root):
                found = self._look(root, package, ".".join(rest))
                if found is not None:
                    return found
        return None

    def _exists(self, root: SearchRoot) -> bool:
        if root.folder.is_dir():
            return True
        path = str(root.folder)
        if root.kind != "home":  # nothing was installed yet
            if path not in self.missing:
                log.warning("packages: %s does not exist", path)
            self.missing[path] = self.missing.get(path, 0) + 1
        return False

    def _look(self, root: SearchRoot, package: str, rest: str) -> Module | None:
        if root.name is not None:
            return self._in_folder(root, package, rest, root.folder, linked=False)
        entry = root.folder / package
        if root.kind == "home" and is_name(package) and entry.is_symlink():
            if self._strict:
                raise LuaError(f"package {package} is a link, which {STRICT_VARIABLE} forbids")
            return self._in_folder(root, package, rest, entry, linked=True)
        status, *found = self._below(root.folder).find(f"{package}.{rest}" if rest else package)
        if status != "found":
            return None
        source, place = found
        single = place == f"{package}.lua"
        unit = (root.folder / (place if single else package)).resolve()
        inside = place if single else place.removeprefix(f"{package}/")
        return Module(package=package, root=root, folder=unit, inside=inside, source=source, place=place)

    def _in_folder(
        self, root: SearchRoot, package: str, rest: str, folder: Path, *, linked: bool
    ) -> Module | None:
        status, *found = self._below(folder).find(rest or "init")
        if status != "found":
            return None
        source, place = found
        return Module(
            package=package,
            root=root,
            folder=folder.resolve(),
            inside=place,
            source=source,
            place=f"{package}/{place}",
            linked=linked,
        )

    def _below(self, folder: Path) -> Roots:
        """The files below a folder that is there."""
        if folder not in self._searched:
            self._searched[folder] = Roots([folder], self._largest)
        return self._searched[folder]
