"""`skep doctor`: whether this machine can run skep well, and what to do where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from skep.cli import exits
from skep.cli.options import Json, Store
from skep.cli.text import visible

if TYPE_CHECKING:
    from skep.cli.checks import Check


def doctor(*, store: Store = None, as_json: Json = False) -> int:
    """Check Python, SQLite, home, store, disk and platform."""
    import asyncio

    from skep.cli.checks import machine_checks, store_check

    checks = [*machine_checks(), asyncio.run(store_check(store))]
    good = all(check.ok for check in checks)
    if as_json:
        from skep.cli.json_out import print_json

        print_json({"ok": good, "checks": checks})
    else:
        for check in checks:
            typer.echo(_line(check))
    return exits.DONE if good else exits.FAILED


def _line(check: Check) -> str:
    mark = typer.style("ok  ", fg="green") if check.ok else typer.style("BAD ", fg="red")
    remedy = f" ({check.fix})" if check.fix and not check.ok else ""
    return f"{mark} {check.name:<16} {visible(check.detail + remedy)}"
