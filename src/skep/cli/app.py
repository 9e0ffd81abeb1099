"""The command table. A command's module imports what it needs when it is called, so help is quick."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from skep.cli import (
    answer,
    cancel,
    demo,
    doctor,
    events,
    lint,
    new,
    operator,
    pkg,
    ps,
    questions,
    resume,
    run,
    schema,
    show,
    signals,
    strategy,
    tail,
    token,
)
from skep.cli.reader import ReaderGone

_EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 unusable input, 3 timeout, 4 suspended, 130 cancelled. "
    "The home is SKEP_HOME (default ~/.skep). --traceback, anywhere, shows all of an error."
)


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error


app = typer.Typer(
    name="skep",
    cls=_Commands,
    help="A long-running host for swarms of agents: declared flows, durable steps, guarded acts.",
    epilog=_EPILOG,
    add_completion=False,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"skep {version('skep')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """What holds for every command."""
    del version
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


COMMANDS = {
    "demo": demo.demo,
    "new": new.new,
    "run": run.run,
    "resume": resume.resume,
    "ps": ps.ps,
    "show": show.show,
    "events": events.events,
    "tail": tail.tail,
    "questions": questions.questions,
    "answer": answer.answer,
    "signal": signals.signal,
    "cancel": cancel.cancel,
    "operator": operator.operator,
    "lint": lint.lint,
    "schema": schema.schema,
    "doctor": doctor.doctor,
}

for name, command in COMMANDS.items():
    app.command(name)(command)

GROUPS = {"pkg": pkg.app, "strategy": strategy.app, "token": token.app}

for name, group in GROUPS.items():
    app.add_typer(group, name=name)
