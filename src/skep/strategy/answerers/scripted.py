"""Answers that were written beforehand: for tests, and for `skep strategy run --answer FILE`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from skep import values
from skep.errors import ConfigError
from skep.flow.document import parse_document
from skep.limits import DEFAULT_LIMITS
from skep.strategy.queries import Answer, Error, Query, Reply


class Rule(Struct, frozen=True):
    """What is answered to prompts in which `pattern` is found."""

    pattern: re.Pattern[str]
    answer: str


class Scripted:
    """Answers in turn, or by what a prompt says.

    Args:
        script: texts, given one after another; or a mapping of regular expressions to texts, of which the first that
            is found in the prompt answers. A text that is missing is an `Error`, never a guess.

    >>> import asyncio
    >>> asyncio.run(Scripted(["yes", "no"])(Query(id="q-0", prompt="really?")))
    Answer(text='yes', usage=None)

    Raises:
        ConfigError: the script is neither, or holds something else than text.
    """

    def __init__(self, script: Sequence[str] | Mapping[str, str]) -> None:
        self._rules: tuple[Rule, ...] = ()
        self._turns: Iterator[str] = iter(())
        if isinstance(script, Mapping):
            self._rules = tuple(Rule(_pattern(key), _text(script[key], key)) for key in script)
        elif not isinstance(script, str):
            self._turns = iter([_text(given, f"answer {turn}") for turn, given in enumerate(script)])
        else:
            raise ConfigError(
                "a script of answers is a list or a mapping", fix="write [one, two] or {pattern: answer}"
            )
        self.asked: list[Query] = []
        """Every query, in the order in which they came."""

    @classmethod
    def from_file(cls, path: str | Path) -> Scripted:
        """The script in a YAML or JSON file. Raises `ConfigError`, `BadSyntax`, `LimitExceeded`."""
        try:
            with Path(path).open("rb") as file:
                data = file.read(DEFAULT_LIMITS.max_blueprint_bytes + 1)
        except OSError as error:
            raise ConfigError(f"cannot read the answers: {error.strerror}", where=str(path)) from error
        script = parse_document(
            data, "json" if str(path).endswith(".json") else "yaml", where=str(path)
        ).value
        if not isinstance(script, list | dict):
            raise ConfigError("a file of answers holds a list or a mapping", where=str(path))
        return cls(cast("list[str] | dict[str, str]", script))

    async def __call__(self, query: Query) -> Reply:
        self.asked.append(query)
        if self._rules:
            text = next((rule.answer for rule in self._rules if rule.pattern.search(query.prompt)), None)
        else:
            text = next(self._turns, None)
        if text is None:
            return Error(f"no answer is written for query {query.id}: {values.clean_text(query.prompt, 200)}")
        return Answer(text)


def _text(value: Any, where: str) -> str:
    if type(value) is not str:
        raise ConfigError("an answer is text", where=where, fix="quote it")
    return value


def _pattern(source: Any) -> re.Pattern[str]:
    try:
        return re.compile(_text(source, "pattern"))
    except re.error as error:
        raise ConfigError(f"no regular expression: {error}", where=str(source)) from error
