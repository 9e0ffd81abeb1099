"""Answerers as the command line names them."""

from __future__ import annotations

import shlex
from pathlib import Path

from skep.errors import ConfigError
from skep.secrets import Secret
from skep.strategy.answerers.command import Command
from skep.strategy.answerers.model import Model
from skep.strategy.answerers.scripted import Scripted
from skep.strategy.answerers.terminal import Terminal

_SCRIPTS = frozenset({".json", ".yaml", ".yml"})
_SCHEMES = ("http://", "https://")

Given = Terminal | Scripted | Command | Model


def answerer_from(text: str, *, key: str | Secret | None = None) -> Given:
    """The answerer that a text names.

    `ask`: the person at the terminal. A path that ends in `.json`, `.yaml` or `.yml`: the answers in that file.
    `URL#NAME`: the model NAME at an OpenAI-compatible endpoint. Anything else: a command, split into words as a shell
    would, and given to none.

    >>> answerer_from("http://localhost:11434/v1#small")
    Model('http://localhost:11434/v1', 'small')

    Args:
        text: see above.
        key: of a model, `secret:NAME`.

    Raises:
        ConfigError: it names nothing that can answer. And what `Scripted.from_file` raises.
    """
    if text.startswith(_SCHEMES):
        url, mark, name = text.partition("#")
        if not mark or not name:
            raise ConfigError("a model without a name", fix="write URL#NAME")
        return Model(url, name, key=key)
    if key is not None:
        raise ConfigError(
            "only a model takes a key", where=text[:100], fix="write URL#NAME, or leave the key out"
        )
    if text == "ask":
        return Terminal()
    if Path(text).suffix in _SCRIPTS and not any(char.isspace() for char in text):
        return Scripted.from_file(text)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"no command: {error}", where=text[:100], fix="close the quotes") from error
    return Command(words)
