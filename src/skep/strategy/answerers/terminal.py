"""`Terminal`: the person at the terminal answers."""

from __future__ import annotations

import asyncio
import sys

from skep.errors import ConfigError
from skep.limits import DEFAULT_LIMITS
from skep.strategy.queries import Answer, Error, Query, Reply
from skep.terminal import is_interactive, read_line
from skep.visible import visible

_LINES = 200
"""Lines of a prompt that are shown."""
_WIDTH = 1_000
"""Characters of each."""
_END = "(an empty line ends the answer; Ctrl-D ends it too, or leaves the query unanswered)"


class Terminal:
    """Shows a query with its system prompt and hints, and reads the answer: lines up to an empty one, or to Ctrl-D.

    One query is put at a time, in the order in which they come. Control characters are shown, not sent to the
    terminal. A query that is left unanswered is an `Error`, which the strategy may catch.

    Args:
        max_answer: characters of an answer; what is longer is not taken.

    Raises:
        ConfigError: nobody sits at a terminal here.
    """

    def __init__(self, *, max_answer: int = DEFAULT_LIMITS.max_question_bytes) -> None:
        if not is_interactive():
            raise ConfigError(
                "nobody sits at a terminal here", where="answers", fix="give a file of answers, or a command"
            )
        self._max_answer = max_answer
        self._turn = asyncio.Lock()

    async def __call__(self, query: Query) -> Reply:
        async with self._turn:
            sys.stdout.write(shown(query))
            return await self._read(query)

    async def _read(self, query: Query) -> Reply:
        lines: list[str] = []
        left = self._max_answer
        while True:
            line = await read_line("> " if not lines else ". ", goes_on=bool(lines))
            if line is None and not lines:
                return Error(f"query {query.id} was left unanswered at the terminal")
            if not line or not line.strip():
                if lines:
                    return Answer(_text("\n".join(lines)))
                continue
            left -= len(line) + 1
            if left < 0:
                return Error(f"the answer to query {query.id} has more than {self._max_answer:,} characters")
            lines.append(line)


def shown(query: Query) -> str:
    r"""A query as a person sees it.

    >>> print(shown(Query(id="q1-0", prompt="Really?\x07", system="Be brief.", grounded=True)), end="")
    <BLANKLINE>
    q1-0 (needs evidence; at most 1,024 tokens)
      system: Be brief.
      Really?\x07
      (an empty line ends the answer; Ctrl-D ends it too, or leaves the query unanswered)
    """
    hints = [*_hints(query), f"at most {query.max_tokens:,} tokens"]
    lines = [f"system: {line}" for line in _lines(query.system)] if query.system is not None else []
    lines += [*_lines(query.prompt), _END]
    return "".join(["\n", f"{query.id} ({'; '.join(hints)})\n", *(f"  {line}\n" for line in lines)])


def _hints(query: Query) -> list[str]:
    hints = ["needs evidence"] if query.grounded else []
    if query.underspecified:
        hints.append("depends on what is meant")
    hints += [f"{visible(name, 40)}: {visible(str(value), 80)}" for name, value in query.options.items()]
    return hints


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    kept = [visible(line, _WIDTH) for line in lines[:_LINES]]
    return kept if len(lines) <= _LINES else [*kept, f"({len(lines) - _LINES:,} more lines)"]


def _text(typed: str) -> str:
    """What was typed, with bytes that are no UTF-8 replaced: JSON has no form for them."""
    return typed.encode(errors="surrogateescape").decode(errors="replace")
