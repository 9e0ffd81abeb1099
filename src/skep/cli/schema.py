"""`skep schema`: the JSON Schema of a Blueprint, for editors."""

from __future__ import annotations

import typer


def schema() -> None:
    """Print the JSON Schema of a Blueprint, for editors."""
    import json

    from skep.flow.schema import blueprint_schema

    typer.echo(json.dumps(blueprint_schema(), indent=2))
