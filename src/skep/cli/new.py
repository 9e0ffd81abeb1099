"""`skep new`: a folder to begin from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from skep.errors import ConfigError

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
FILES = ("blueprint.yaml", "agents.py", "test_NAME.py")


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The folder, and the Blueprint's id.")],
) -> None:
    """Make a folder with a Blueprint, an agent and a test."""
    folder = Path(name)
    if not _NAME.fullmatch(folder.name):
        raise ConfigError(
            f"{folder.name!r} is no name for a Blueprint",
            where="skep new",
            fix="begin with a small letter, then small letters, digits, - and _",
        )
    _fill(folder)
    typer.echo(f"made {folder}/\n\n  cd {folder}\n  skep run blueprint.yaml\n  python -m pytest")


def _fill(folder: Path) -> None:
    from importlib.resources import files

    try:
        folder.mkdir(parents=True)
        for file in FILES:
            text = (files("skep.cli.skeleton") / file).read_text(encoding="utf-8")
            target = folder / file.replace("NAME", folder.name.replace("-", "_"))
            target.write_text(text.replace("NAME", folder.name), encoding="utf-8")
    except FileExistsError as error:
        raise ConfigError("is there already", where=str(folder), fix="choose another name") from error
    except OSError as error:
        raise ConfigError(
            str(error.strerror or error), where=str(folder), fix="choose another place"
        ) from error
