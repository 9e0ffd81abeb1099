"""`skep pkg init`: a folder becomes a project."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from skep.errors import PackageExists
from skep.strategy.files import locked, replace
from skep.strategy.packages.files import read_list
from skep.strategy.packages.layout import ProjectFiles

IGNORED = ("alc.local.toml", ".alc-install.lock")
_MANIFEST = """\
# The packages that this project needs: NAME = "*", a version, or a table with path or git.
[packages]
"""


def begin(folder: Path) -> dict[str, Any]:
    """Make `alc.toml` and have version control leave out what is this machine's; in the published form.

    Raises:
        PackageExists: there is an `alc.toml`.
        PackageError: a file cannot be read or written.
    """
    project = ProjectFiles(folder.resolve())
    ignore = project.root / ".gitignore"
    with locked(project.lock):
        if project.manifest.exists():
            raise PackageExists("alc.toml already exists", where=str(project.manifest))
        replace(project.manifest, _MANIFEST.encode())
        text = (read_list(ignore) or b"").decode(errors="surrogateescape")
        missing = [name for name in IGNORED if name not in text.splitlines()]
        if missing:
            begun = text if not text or text.endswith("\n") else f"{text}\n"
            lines = "".join(f"{name}\n" for name in missing)
            replace(ignore, (begun + lines).encode(errors="surrogateescape"))
    return {
        "created": str(project.manifest),
        "gitignore_path": str(ignore),
        "gitignore_updated": bool(missing),
    }
