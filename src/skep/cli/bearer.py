"""Whose authority a command acts with: the store's owner, or the bearer of a token."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from skep.cli.token_mint import TOKEN_VARIABLE

TokenFile = Annotated[
    str | None,
    typer.Option("--token-file", metavar="FILE", help=f"Act with this token, by default {TOKEN_VARIABLE}."),
]


def held_token(file: str | None) -> str | None:
    """The token in `file`, else in the environment; null: the store's owner acts.

    Raises:
        ConfigError: the file cannot be read, or holds none.
    """
    from skep.core.tokens import MAX_TOKEN_CHARS
    from skep.errors import ConfigError

    if file is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip() or None
    where = f"--token-file {file}"
    try:
        with Path(file).open(encoding="ascii") as lines:
            token = lines.read(MAX_TOKEN_CHARS + 2).strip()
    except OSError as error:
        raise ConfigError(str(error.strerror or error), where=where, fix="name a file of yours") from error
    except UnicodeDecodeError as error:
        raise ConfigError("no token in it", where=where, fix="skep token mint --raw writes one") from error
    if not token:
        raise ConfigError("it is empty", where=where, fix="skep token mint --raw writes one")
    return token
