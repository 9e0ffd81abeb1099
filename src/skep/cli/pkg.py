"""`skep pkg`: packages of strategies, brought, listed, checked and trusted."""

from __future__ import annotations

import typer

from skep.cli import pkg_begin, pkg_bring, pkg_look

app = typer.Typer(
    name="pkg",
    help="Bring, list, check and trust packages of strategies.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

for name, command in {
    "install": pkg_bring.install,
    "link": pkg_bring.link,
    "unlink": pkg_bring.unlink,
    "remove": pkg_bring.remove,
    "list": pkg_look.list_packages,
    "doctor": pkg_look.doctor,
    "trust": pkg_look.trust,
    "scaffold": pkg_begin.scaffold,
    "init": pkg_begin.init,
    "update": pkg_begin.update,
}.items():
    app.command(name)(command)
