from __future__ import annotations

from pathlib import Path

import pytest

from skep.strategy.packages.resolution import Packages


class World:
    """A home, a project and folders with packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.project = folder / "project"
        for made in (self.home, self.project):
            made.mkdir()

    def package(self, place: str, name: str = "", **files: str) -> Path:
        """A package below `place`: `init` and others by their names, without `.lua`."""
        where = self.folder / place / name
        for stem, text in {"init": "return {}", **files}.items():
            file = where / f"{stem.replace('__', '/')}.lua"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return where

    def write(self, path: str, text: str) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def packages(self, *paths, extra=(), environ=None, **settings) -> Packages:
        return Packages(
            [self.folder / path for path in paths],
            [self.folder / path for path in extra],
            self.home,
            self.project,
            environ=environ or {},
            **settings,
        )


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)
