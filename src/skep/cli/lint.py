"""`skep lint`: everything that is wrong with a Blueprint, at once."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from skep.cli import exits
from skep.cli.options import Json
from skep.cli.text import plural, visible
from skep.values import type_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skep.flow.call_order import AgentCalls
    from skep.flow.load import Loaded
    from skep.flow.problems import Problem

_LONGEST_OPTION = 60
"""Characters of an option's text that are shown."""


def lint(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A Blueprint: .yaml, .yml or .json.")],
    *,
    as_json: Json = False,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Say what each code means, and which layers surround each agent."),
    ] = False,
    imports: Annotated[
        bool, typer.Option("--import", help="Import the agents' modules too; this runs them.")
    ] = False,
) -> int:
    """Check a Blueprint: every problem, its place and the fix."""
    loaded, problems = checked(file, imports=imports)
    errors = sum(problem.severity == "error" for problem in problems)
    if as_json:
        from skep.cli.json_out import print_json

        order = {"call_order": _call_order(loaded)} if explain and loaded is not None else {}
        print_json({"ok": errors == 0, "file": file, "problems": problems, **order})
    else:
        for problem in problems:
            place = f"{file}:{problem.line}" if problem.line else file
            typer.echo(visible(f"{place}: {problem.severity}: {problem}", 2_000))
        if explain:
            _explain({problem.code for problem in problems})
            _explain_layers(_call_order(loaded) if loaded is not None else [])
        warnings = len(problems) - errors
        typer.echo(f"{plural(errors, 'error')}, {plural(warnings, 'warning')}")
    return exits.UNUSABLE_INPUT if errors else exits.DONE


def checked(file: str, *, imports: bool = False) -> tuple[Loaded | None, list[Problem]]:
    """A Blueprint, if it can be read, and all problems of a document, its reading and its meaning together.

    The modules of its agents are read as text, with `imports` they are run.

    Raises:
        BlueprintError: it cannot be read at all (no file, not UTF-8, not YAML or JSON).
    """
    from skep import host
    from skep.cli.callables import check_callables, import_callables
    from skep.errors import BlueprintError
    from skep.flow.lint import lint as lint_blueprint
    from skep.flow.load import load_blueprint

    try:
        loaded = load_blueprint(file)
    except BlueprintError as error:
        if not error.problems:
            raise
        return None, list(cast("tuple[Problem, ...]", error.problems))
    found = lint_blueprint(loaded.blueprint, host.standard_catalog())
    found.extend(import_callables(loaded) if imports else check_callables(loaded))
    return loaded, loaded.located(found)


def _explain(codes: set[str]) -> None:
    from skep.flow.codes import explain

    for code in sorted(codes):
        typer.echo(f"\n{explain(code)}")


def _call_order(loaded: Loaded) -> list[AgentCalls]:
    from skep import host
    from skep.flow.call_order import call_order

    return call_order(loaded.blueprint, host.standard_catalog())


def _explain_layers(agents: Sequence[AgentCalls]) -> None:
    """The layers are the same around all agents of a Blueprint, so they are shown once."""
    for layers, group in groupby(agents, key=lambda calls: calls.layers):
        if not layers:
            continue
        typer.echo("\nA spawn passes these layers, the outermost first; its end passes them in reverse:")
        for call in layers:
            options = f" {json.dumps(_brief(call.options))}" if call.options else ""
            typer.echo(visible(f"  {call.key:<20} {call.origin:<6} {call.what}{options}", 2_000))
        names = ", ".join(f"{calls.agent} ({calls.kind})" for calls in group)
        typer.echo(visible(f"  around {names}", 2_000))


def _brief(options: Any) -> Any:
    """Options for a line: the beginning stands for a script, or another long text."""
    if type_of(options) is dict:
        return {name: _brief(value) for name, value in options.items()}
    long = type_of(options) is str and len(options) > _LONGEST_OPTION
    return f"{options[: _LONGEST_OPTION - 3]}..." if long else options
