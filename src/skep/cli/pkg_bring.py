"""`skep pkg install`, `link`, `unlink` and `remove`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from skep.cli.options import Json
from skep.cli.pkg_shared import Name, Project, done, home_files, project_files

if TYPE_CHECKING:
    from skep.strategy.packages.layout import HomeFiles
    from skep.strategy.packages.offers import Offer

NewName = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Call it so; by default as its folder is called.")
]


def install(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A folder, or the address of a git repository (https).")
    ],
    *,
    name: NewName = None,
    rev: Annotated[
        str | None, typer.Option("--rev", metavar="REV", help="A branch, tag or commit of the repository.")
    ] = None,
    untrusted: Annotated[
        bool, typer.Option("--untrusted", help="Do not vouch for it: `skep pkg trust NAME` can, later.")
    ] = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Copy a package, or a collection of them, into the home; they are trusted as they are now."""

    def act() -> dict[str, Any]:
        from skep.strategy.packages.install import install as bring

        home = home_files()
        offer = _offer(source, name, rev, home)
        return bring(offer, home, project=project_files(project), trusted=not untrusted)

    done(as_json, act, lambda result: _installed(result, trusted=not untrusted))


def _offer(source: str, name: str | None, rev: str | None, home: HomeFiles) -> Offer:
    from skep.errors import PackageError
    from skep.strategy.packages.offers import offer_of_folder, offer_of_repository
    from skep.strategy.packages.settings import read_settings

    folder = Path(source).expanduser() if source.startswith("~") else Path(source)
    if not source.startswith((".", "/", "~")) and not folder.is_dir():
        return offer_of_repository(source, name, rev=rev, settings=read_settings(home))
    if rev is not None:
        raise PackageError("a folder has no branch, tag or commit to choose", where=f"--rev {rev}")
    return offer_of_folder(folder.absolute(), name)


def _installed(result: dict[str, Any], *, trusted: bool) -> list[str]:
    said = {
        "installed": "installed" if trusted else "installed, not trusted",
        "updated": "updated",
        "skipped": "kept, is there already",
        "skipped_symlinks": "kept, is a link",
        "skipped_names": "left out, no name for a package",
        "cards_installed": "cards",
        "scenarios_installed": "scenarios",
        "scenarios_failures": "scenarios left out, no name for one",
        "project_files_warnings": "the project's files are as they were",
    }
    return [f"{text}: {', '.join(result[key])}" for key, text in said.items() if result.get(key)]


def link(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A package, or a folder with some.")],
    *,
    name: NewName = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a link that is there.")] = False,
    scope: Annotated[
        Literal["global", "variant"],
        typer.Option("--scope", help="A link in the home, or an entry in the project's alc.local.toml."),
    ] = "global",
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Use a package where it lies, also as it changes; its folder is trusted."""

    def act() -> dict[str, Any]:
        from skep.errors import PackageError
        from skep.strategy.packages.link import link_global, link_variant

        if scope == "global":
            return link_global(folder, home_files(), name=name, force=force)
        files = project_files(project)
        if files is None:
            raise PackageError("no project is here: no alc.toml, neither here nor above", fix="skep pkg init")
        if force:
            raise PackageError("an entry of alc.local.toml is changed there", where="--force")
        return link_variant(folder, home_files(), files, name=name)

    done(
        as_json,
        act,
        lambda result: (
            [f"{name}: {result['targets'][name]}" for name in result["linked"]] or ["all there already"]
        ),
    )


def unlink(name: Name, *, as_json: Json = False) -> None:
    """Take a link out of the home; what it leads to stays."""

    def act() -> dict[str, Any]:
        from skep.strategy.packages.link import unlink as cut

        return cut(name, home_files())

    done(as_json, act, lambda result: [f"unlinked {result['unlinked']}"])


def remove(
    name: Name,
    *,
    scope: Annotated[
        Literal["project", "global", "all"],
        typer.Option("--scope", help="Out of the project's files, out of the home, or both."),
    ] = "all",
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Remove a package, with its files, out of the home, and its name out of the project."""

    def act() -> dict[str, Any]:
        from skep.strategy.packages.remove import remove as take_out

        return take_out(name, scope, home_files(), project_files(project))

    done(as_json, act, lambda result: [f"removed {result['removed']}"])
