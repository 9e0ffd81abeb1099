"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Store = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", help="Where runs are kept, by default sqlite:///SKEP_HOME/skep.db."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else there.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Stay until the run has ended, also while it waits for an answer.")
]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or a beginning of it that is unique.")]
