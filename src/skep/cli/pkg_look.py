"""`skep pkg list`, `doctor` and `trust`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from skep.cli import exits
from skep.cli.options import Json
from skep.cli.pkg_shared import Name, Project, all_packages, done, home_files, project_files


def list_packages(
    *,
    project: Project = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that another of the same name hides.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List packages and where they are, in the order in which strategies find them."""

    def act() -> dict[str, Any]:
        from skep.strategy.packages.listing import list_packages as all_of

        listed = all_of(all_packages(project))
        return (
            listed
            if everything
            else listed | {"packages": [row for row in listed["packages"] if row["active"]]}
        )

    done(as_json, act, _lines)


def _lines(listed: dict[str, Any]) -> list[str]:
    rows = [
        f"{row['name']:<24}  {row['version'] or '-':<10}  {row.get('trust', 'hidden'):<9}  {row['path']}"
        for row in listed["packages"]
    ]
    heading = f"{'NAME':<24}  {'VERSION':<10}  {'TRUST':<9}  PATH"
    return [heading, *rows, *(f"warning: {text}" for text in listed.get("warnings", []))]


def doctor(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="One package; all without it.", show_default=False)
    ] = None,
    *,
    project: Project = None,
    as_json: Json = False,
) -> int:
    """Say what is wrong with packages, and what to do; nothing is changed."""
    report: dict[str, Any] = {}

    def act() -> dict[str, Any]:
        from skep.strategy.packages.checkup import check_up

        report.update(check_up(home_files(), project_files(project), name))
        return report

    done(as_json, act, _findings)
    ill = any(found for kind, found in report.items() if kind != "healthy")
    return exits.FAILED if ill else exits.DONE


def _findings(report: dict[str, Any]) -> list[str]:
    ill = [
        f"BAD  {one['name']}: {one['reason']} ({one['suggestion']})"
        for kind, found in report.items()
        if kind != "healthy"
        for one in found
    ]
    return [*ill, *(f"ok   {one['name']}" for one in report["healthy"])] or ["no packages are installed"]


def trust(
    name: Name,
    *,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Take back all trust that was given under this name.")
    ] = False,
    project: Project = None,
    as_json: Json = False,
) -> None:
    """Vouch for a package as it is now: until a file of it changes, it may run in skep's own process."""

    def act() -> dict[str, Any]:
        from skep.strategy.packages import vouching

        packages = all_packages(project)
        return vouching.distrust(name, packages) if revoke else vouching.trust(name, packages)

    done(as_json, act, _said)


def _said(result: dict[str, Any]) -> list[str]:
    if "distrusted" in result:
        return [f"{result['distrusted']} is no longer trusted ({result['records']} records)"]
    return [f"trusted {result['trusted']}: {result['digest']}"]
