"""What the commands of `skep pkg` share: the home, the project, and how they say what was done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skep.cli.text import visible

if TYPE_CHECKING:
    from skep.strategy.packages.layout import HomeFiles, ProjectFiles
    from skep.strategy.packages.resolution import Packages

Project = Annotated[
    Path | None,
    typer.Option(
        "--project",
        metavar="DIR",
        help="The folder with alc.toml, by default ALC_PROJECT_ROOT or the next one up.",
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A package.")]


def home_files() -> HomeFiles:
    """The home, made if it is not there."""
    from skep.config import open_home
    from skep.strategy.packages.layout import HomeFiles

    return HomeFiles(open_home())


def project_files(given: Path | None) -> ProjectFiles | None:
    """The project that the user is in or names. Raises `ConfigError` for one that is named and is none."""
    from skep.errors import ConfigError
    from skep.strategy.packages.layout import ProjectFiles, find_project

    if given is not None and not given.is_dir():
        raise ConfigError("is no folder", where=f"--project {given}")
    found = find_project(given)
    return ProjectFiles(found) if found is not None else None


def all_packages(given: Path | None) -> Packages:
    """Where packages are looked for, from here."""
    from skep.strategy.packages.resolution import Packages

    home, project = home_files(), project_files(given)
    return Packages(home=home.home, project_root=project.root if project is not None else None)


def done(
    as_json: bool, act: Callable[[], dict[str, Any]], lines: Callable[[dict[str, Any]], list[str]]
) -> None:
    """Act, and say what came of it: the result itself for machines, lines for people."""
    from skep.cli.report import reported

    with reported(as_json):
        result = act()
    if as_json:
        from skep.cli.json_out import print_json

        print_json(result)
    else:
        for line in lines(result):
            typer.echo(visible(line))
