"""`skep strategy`: reasoning strategies from the command line."""

from __future__ import annotations

import typer

from skep.cli import strategy_run

app = typer.Typer(
    name="strategy",
    help="Run reasoning strategies: Lua packages that ask and reason.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

for name, command in {"run": strategy_run.run, "resume": strategy_run.resume}.items():
    app.command(name)(command)
