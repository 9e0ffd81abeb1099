"""Where everything about packages lies: in the home, and in a project."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

MANIFEST = "alc.toml"
PROJECT_VARIABLE = "ALC_PROJECT_ROOT"


class HomeFiles(Struct, frozen=True):
    """Below `SKEP_HOME`."""

    home: Path

    @property
    def packages(self) -> Path:
        return self.home / "packages"

    @property
    def installed(self) -> Path:
        return self.home / "installed.json"

    @property
    def trusted(self) -> Path:
        return self.home / "trusted.json"

    @property
    def config(self) -> Path:
        return self.home / "config.toml"

    @property
    def lock(self) -> Path:
        """Held while installed packages or the records of them change."""
        return self.home / ".packages.lock"


class ProjectFiles(Struct, frozen=True):
    """In a folder with an `alc.toml`."""

    root: Path

    @property
    def manifest(self) -> Path:
        return self.root / MANIFEST

    @property
    def local(self) -> Path:
        """What holds on this machine only; not for version control."""
        return self.root / "alc.local.toml"

    @property
    def pinned(self) -> Path:
        return self.root / "alc.lock"

    @property
    def lock(self) -> Path:
        """Held while one of the others changes."""
        return self.root / ".alc-install.lock"


def find_project(
    given: Path | str | None = None, *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Path | None:
    """The project's folder: the one given, else that of `ALC_PROJECT_ROOT`, else the next one up with an `alc.toml`.

    One that is named and is no folder is passed over.
    """
    variable = (os.environ if environ is None else environ).get(PROJECT_VARIABLE)
    for named in (given, variable):
        if named and Path(named).is_dir():
            return Path(named).resolve()
    here = (cwd or Path.cwd()).resolve()
    return next((folder for folder in (here, *here.parents) if (folder / MANIFEST).is_file()), None)
