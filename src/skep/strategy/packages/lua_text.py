"""Lua source as tokens, for those who read a package without running it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

TokenKind = Literal["comment", "string", "name", "other"]

_TOKEN = re.compile(
    r"""
    (?P<comment> --\[(?P<c>=*)\[ .*? (?:\](?P=c)\]|\Z) | --[^\n]* )
  | (?P<string>  \[(?P<s>=*)\[ .*? (?:\](?P=s)\]|\Z)
               | "(?:[^"\\\n]|\\z\s*|\\.)*"? | '(?:[^'\\\n]|\\z\s*|\\.)*'? )
  | (?P<name>    [A-Za-z_]\w* )
  | (?P<other>   \.\.\.|\.\.|\d[\w.]*|[^\s] )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(
    r"\\(?:z\s*|x(?P<hex>[0-9A-Fa-f]{2})|(?P<dec>\d{1,3})|u\{(?P<u>[0-9A-Fa-f]{1,6})\}|(?P<c>.))", re.DOTALL
)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class Token(Struct, frozen=True):
    """One token: `text` as it stands in the source."""

    kind: TokenKind
    text: str


def tokens(source: str) -> Iterator[Token]:
    """The tokens in order, comments among them. What is no Lua still gives tokens, so nothing fails here."""
    for match in _TOKEN.finditer(source):
        kind: TokenKind = (
            "comment"
            if match["comment"]
            else "string"
            if match["string"]
            else "name"
            if match["name"]
            else "other"
        )
        yield Token(kind, match[0])


def string_value(literal: str) -> str:
    r"""The text that a string literal stands for; an escape of a byte is taken as that character.

    >>> string_value(r'"two\nlines"')
    'two\nlines'
    >>> string_value("[==[a]]b]==]")
    'a]]b'
    """
    if literal.startswith("["):
        frame = literal.index("[", 1) + 1
        text = literal[frame : len(literal) - frame]
        return text.removeprefix("\r").removeprefix("\n")
    return _ESCAPE.sub(_escaped, literal[1:-1])


def _escaped(match: re.Match[str]) -> str:
    if match["hex"] is not None:
        return chr(int(match["hex"], 16))
    if match["dec"] is not None:
        return chr(int(match["dec"]))
    if match["u"] is not None:
        code = int(match["u"], 16)
        return chr(code) if code <= sys.maxunicode else "\N{REPLACEMENT CHARACTER}"
    plain = match["c"]
    return "" if plain is None else _PLAIN.get(plain, plain)
