"""A file that `require` may load, and the package that it belongs to."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from skep.strategy.packages.roots import SearchRoot


class Module(Struct, frozen=True, kw_only=True):
    """Found, not yet admitted."""

    package: str
    root: SearchRoot
    folder: Path
    """That of the package, or the file of one that is a single file; links are resolved."""
    inside: str
    """The file's path in its package."""
    source: str
    place: str
    """How errors name the file."""
    linked: bool = False
    """The home holds only a link to the folder."""

    @property
    def installed(self) -> bool:
        """In the home itself, so its files are those that were installed."""
        return self.root.kind == "home" and not self.linked
