"""`skep pkg scaffold`, `init` and `update`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from skep.cli import exits
from skep.cli.options import Json
from skep.cli.pkg_shared import Project, done, home_files, project_files


def scaffold(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The folder, and the package's name.")],
    *,
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Where the folder is made.")] = Path(),
    category: Annotated[
        str, typer.Option("--category", metavar="WORD", help="Kind of strategy.")
    ] = "reasoning",
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="What it is for.")] = "",
    as_json: Json = False,
) -> None:
    """Make a package to begin from."""

    def act() -> dict[str, Any]:
        from skep.strategy.packages.scaffold import scaffold as make

        return make(name, into, category=category, description=description)

    done(as_json, act, lambda result: [f"made {result['path']} (skep pkg link {into / name})"])


def init(
    *,
    project: Annotated[
        Path, typer.Option("--project", metavar="DIR", help="The folder, by default the current one.")
    ] = Path(),
    as_json: Json = False,
) -> None:
    """Make a folder a project: an alc.toml, and what version control leaves out."""

    def act() -> dict[str, Any]:
        from skep.strategy.packages.begin import begin

        return begin(project)

    done(as_json, act, lambda result: [f"made {result['created']}"])


def update(*, project: Project = None, as_json: Json = False) -> int:
    """Write alc.lock anew: what alc.toml wants, as it is installed. Nothing is installed."""
    missing: list[str] = []

    def act() -> dict[str, Any]:
        from skep.errors import PackageError
        from skep.strategy.packages.update import update as pin

        files = project_files(project)
        if files is None:
            raise PackageError("no project is here: no alc.toml, neither here nor above", fix="skep pkg init")
        result = pin(home_files(), files)
        missing.extend(result["errors"])
        return result

    done(
        as_json,
        act,
        lambda result: [f"pinned {result['resolved']} in {result['alc_lock']}", *result["errors"]],
    )
    return exits.FAILED if missing else exits.DONE
