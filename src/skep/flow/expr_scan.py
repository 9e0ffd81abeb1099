"""The words of an expression text: paths and strings are taken out before Python's parser sees the rest.

What is left holds numbers, operators, brackets and allowed words only, in ASCII and at the same columns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from skep.errors import BadSyntax
from skep.flow.expr import Expr, Lit, PathExpr
from skep.flow.path import parse_path
from skep.flow.problems import did_you_mean

if TYPE_CHECKING:
    from skep.limits import Limits

WORDS = frozenset({"and", "or", "not", "in", "True", "False", "true", "false", "None", "null"})

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<path>\$(?:\.[^\W\d]\w*|\[-?[0-9]+\]|\["(?:[^"\\]|\\.)*"\]|\['(?:[^'\\]|\\.)*'\])*)
      | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?)
      | (?P<word>[^\W\d]\w*)
      | (?P<open>[(\[{]) | (?P<close>[)\]}])
      | (?P<operator>==|!=|<=|>=|[-+*/%<>,:])""",
    re.VERBOSE | re.DOTALL,
)
_OPERANDS = frozenset({"path", "text", "number", "word"})
_PAIRS = {")": "(", "]": "[", "}": "{"}
_PREFIXES = frozenset({"-", "not"})
_HINTS = {
    "=": "compare with ==",
    "&": "write and",
    "|": "write or",
    "!": "write not",
    "'": "close the string",
    '"': "close the string",
    "$": "write a path as $.name",
    ".": 'a field of a result is written with brackets: x["name"]',
}

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\\": "\\", "'": "'", '"': '"', "/": "/"}


class Scanned(Struct, frozen=True):
    """`source` for Python's parser, in parentheses; `atoms` is what its placeholders are, by offset."""

    source: str
    atoms: dict[int, Expr]


def scan(text: str, functions: frozenset[str], limits: Limits) -> Scanned:
    """Split `text` into atoms and a plain rest.

    Raises:
        BadSyntax: with the column of what does not belong into an expression.
    """
    parts = ["("]
    atoms: dict[int, Expr] = {}
    nesting = _Nesting(limits.max_blueprint_depth)
    position, before = 0, ""
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unexpected(text, position)
        token, group, column = match[0], match.lastgroup or "", position + 1
        if group == "word" and token not in WORDS and token not in functions:
            raise _unknown(text, match, functions)
        if before in _OPERANDS and group in _OPERANDS:
            raise BadSyntax(
                f"expression runs two values into one at column {column}", fix="put an operator between"
            )
        nesting.see(token, column)
        if group in ("path", "text"):
            atoms[column] = _atom(match, column, limits)
            parts.append("_" * len(token))
        else:
            parts.append(" " * len(token) if group == "space" else token)
        position, before = match.end(), group
    nesting.end()
    return Scanned("".join(parts) + ")", atoms)


class _Nesting:
    """Brackets that match, and no deeper than the limit, runs of prefix operators included."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: list[tuple[str, int]] = []
        self._prefixes = 0

    def see(self, token: str, column: int) -> None:
        if token.isspace():
            return
        self._prefixes = self._prefixes + 1 if token in _PREFIXES else 0
        if token in _PAIRS.values():
            self._open.append((token, column))
        elif token in _PAIRS:
            opened = self._open.pop()[0] if self._open else "nothing"
            if opened != _PAIRS[token]:
                raise BadSyntax(f"expression closes {opened} with {token} at column {column}")
        if len(self._open) + self._prefixes > self._limit:
            raise too_deep(self._limit, column)

    def end(self) -> None:
        if self._open:
            bracket, column = self._open[-1]
            raise BadSyntax(f"expression never closes {bracket} of column {column}")


def too_deep(limit: int, column: int) -> BadSyntax:
    """The error for nesting beyond `limit`."""
    message = f"expression is nested more than {limit} deep at column {column}"
    return BadSyntax(message, fix="compute a part of it in a let node first")


def _atom(match: re.Match[str], column: int, limits: Limits) -> Expr:
    if match.lastgroup == "path":
        return PathExpr(parse_path(match[0], limits))
    return Lit(_unquoted(match[0], column))


def _unquoted(token: str, column: int) -> str:
    def replace(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code is None:
            if match[4] in _ESCAPED:
                return _ESCAPED[match[4]]
        elif int(code, 16) <= _LAST_CODE_POINT:
            return chr(int(code, 16))
        where = f"at column {column + 1 + match.start()}"
        raise BadSyntax(
            f"string has an unknown escape {match[0]!r} {where}", fix="write \\\\ for a backslash"
        )

    value = _ESCAPE.sub(replace, token[1:-1])
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadSyntax(
            f"string at column {column} holds a lone surrogate, which UTF-8 cannot carry"
        ) from error
    return value


_LAST_CODE_POINT = 0x10FFFF


def _unexpected(text: str, position: int) -> BadSyntax:
    character = text[position]
    return BadSyntax(
        f"expression has {character!r} at column {position + 1}, where it means nothing",
        fix=_HINTS.get(character),
    )


def _unknown(text: str, match: re.Match[str], functions: frozenset[str]) -> BadSyntax:
    word, column = match[0], match.start() + 1
    if match.end() < len(text) and text[match.end()] in "'\"":
        return BadSyntax(
            f"expression has a string with the prefix {word[:60]!r} at column {column}", fix="leave it out"
        )
    known = sorted(functions | WORDS)
    if text[match.end() :].lstrip().startswith("("):
        return BadSyntax(f"unknown function {word[:60]!r} at column {column}", fix=did_you_mean(word, known))
    near = did_you_mean(word, known) if len(word) > 1 else None
    if near is None or near.startswith("known"):
        near = f"a ctx value is written $.{word[:60]}, text in quotes of its own: \"'{text.strip()[:60]}'\""
        if text[: match.start()].rstrip().endswith("-"):
            near = 'a key with - in it is written in brackets: $["a-b"]'
    return BadSyntax(f"unknown name {word[:60]!r} at column {column}", fix=near)
