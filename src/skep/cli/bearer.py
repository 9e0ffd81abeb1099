"""Whose authority a command acts with: the store's owner, or the bearer of tokens."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from skep.core.roles import Role

TOKEN_VARIABLE = "SKEP_TOKEN"  # noqa: S105 - the variable's name
MAX_TOKENS = 8
"""Tokens that are held at once: a profile has one for each role."""

TokenFile = Annotated[
    str | None,
    typer.Option(
        "--token-file", metavar="FILE", help=f"Act with the tokens in it, by default {TOKEN_VARIABLE}."
    ),
]


class Held:
    """The tokens that a command acts with; with none the store's owner acts."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens

    def token(self, act: str, wish: str | None = None) -> str | None:
        """The one whose role allows `act`, and `wish` as well if there is such a one; null: the owner acts.

        Raises:
            RoleViolation: there are several, and none allows it.
            BadSignature: there are several, and one of them is none.
        """
        from skep.core.authority import ACTS
        from skep.core.profiles import choose
        from skep.core.tokens import decode_token

        if len(self._tokens) < 2:  # noqa: PLR2004 - nothing to choose from: the engine says what is wrong with it
            return self._tokens[0] if self._tokens else None
        held: list[tuple[Role, str]] = [(decode_token(text).role, text) for text in self._tokens]
        if wish is not None:
            held.sort(key=lambda one: one[0] not in ACTS[wish].roles)
        return choose(held, ACTS[act])

    def __len__(self) -> int:
        return len(self._tokens)


def held_tokens(file: str | None) -> Held:
    """The tokens in `file`, else in the environment, with white space between them.

    Raises:
        ConfigError: the file cannot be read, holds none, or there are too many.
    """
    from skep.core.tokens import MAX_TOKEN_CHARS
    from skep.errors import ConfigError

    if file is None:
        return _held(os.environ.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE)
    where = f"--token-file {file}"
    try:
        with Path(file).open(encoding="ascii") as lines:
            text = lines.read((MAX_TOKENS + 1) * (MAX_TOKEN_CHARS + 2))
    except OSError as error:
        raise ConfigError(str(error.strerror or error), where=where, fix="name a file of yours") from error
    except UnicodeDecodeError as error:
        raise ConfigError("no token in it", where=where, fix="skep token mint --raw writes one") from error
    if not text.strip():
        raise ConfigError("it is empty", where=where, fix="skep token mint --raw writes one")
    return _held(text, where)


def _held(text: str, where: str) -> Held:
    from skep.errors import ConfigError

    tokens = text.split(maxsplit=MAX_TOKENS)
    if len(tokens) > MAX_TOKENS:
        raise ConfigError(f"more than {MAX_TOKENS} tokens", where=where, fix="give those of one profile")
    return Held(tokens)
