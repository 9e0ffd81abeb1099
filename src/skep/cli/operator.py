"""`skep operator`: take the work of a seat at a terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from skep.cli import exits
from skep.cli.bearer import TokenFile, held_tokens
from skep.cli.options import Store
from skep.errors import ConfigError


def operator(
    seat: Annotated[str, typer.Argument(metavar="SEAT", help="A seat that a Blueprint declares.")],
    *,
    takeover: Annotated[
        str | None, typer.Option(metavar="KEY", help="Begin with this item, whoever holds it.")
    ] = None,
    token_file: TokenFile = None,
    store: Store = None,
) -> int:
    """Take the work of a seat: shows each prompt and reads the answer."""
    import asyncio

    from skep.cli.seat import serve
    from skep.terminal import is_interactive

    token = held_tokens(token_file).token("claim")
    if not is_interactive():
        raise ConfigError(
            "work is taken at a terminal, and this is none", fix="run it in the foreground of one"
        )
    try:
        asyncio.run(serve(seat, token, store, takeover))
    except asyncio.CancelledError:
        return exits.CANCELLED
    return exits.DONE
