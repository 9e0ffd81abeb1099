"""`M.meta` and the text before a package's code, read without running anything."""

from __future__ import annotations

import re

from msgspec import Struct

from skep.strategy.packages.lua_text import Token, string_value, tokens

MAX_TEXT = 4_096
"""Characters that are kept of one value, and of the text."""
_OPENERS = {"{", "(", "["}
_CLOSERS = {"}", ")", "]"}


class Meta(Struct, frozen=True):
    """What a package says of itself: the texts in `M.meta`, and the `---` lines that the file begins with."""

    fields: dict[str, str]
    docstring: str = ""

    @property
    def name(self) -> str | None:
        return self.fields.get("name") or None

    @property
    def version(self) -> str | None:
        return self.fields.get("version") or None


def read_meta(source: str) -> Meta:
    r"""The first `M.meta = {...}`, or `M = {meta = {...}}`: its texts, joined ones too; all else in it is passed over.

    >>> read_meta('--- Thinks.\nlocal M = {}\nM.meta = {name = "cot", version = "1" .. ".0", n = {1}}').fields
    {'name': 'cot', 'version': '1.0'}
    """
    code = [token for token in tokens(source) if token.kind != "comment"]
    own = _at(code, ["M", ".", "meta", "=", "{"])
    if own is not None:
        return Meta(_fields(code, own), _docstring(source))
    whole = _at(code, ["M", "=", "{"])
    for entry in _entries(code, whole) if whole is not None else []:
        if _at(entry[:3], ["meta", "=", "{"]) is not None:
            return Meta(_fields(entry, 3), _docstring(source))
    return Meta({}, _docstring(source))


def _at(code: list[Token], texts: list[str]) -> int | None:
    """Where what follows these tokens begins, the first time that they are there."""
    found = (at for at in range(len(code)) if [token.text for token in code[at : at + len(texts)]] == texts)
    at = next(found, None)
    return at + len(texts) if at is not None else None


def _fields(code: list[Token], at: int) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in _entries(code, at):
        key, value = _split(entry)
        text = _text(value)
        if key and text is not None:
            found.setdefault(key, text[:MAX_TEXT])
    return found


def _entries(code: list[Token], at: int) -> list[list[Token]]:
    """What stands between the commas of the table that begins before `at`."""
    entries: list[list[Token]] = [[]]
    depth = 1
    for token in code[at:]:
        if token.kind != "string":
            depth += (token.text in _OPENERS) - (token.text in _CLOSERS)
        if depth == 0:
            break
        if depth == 1 and token.text in {",", ";"}:
            entries.append([])
        else:
            entries[-1].append(token)
    return entries


def _split(entry: list[Token]) -> tuple[str, list[Token]]:
    texts = [token.text for token in entry]
    if len(entry) > 2 and entry[0].kind == "name" and texts[1] == "=":  # noqa: PLR2004 - key, sign, value
        return texts[0], entry[2:]
    if texts[:1] == ["["] and texts[2:4] == ["]", "="] and entry[1].kind == "string":
        return string_value(texts[1]), entry[4:]
    return "", []


def _text(value: list[Token]) -> str | None:
    """The texts that `..` joins, or None for anything else."""
    parts, joins = value[::2], value[1::2]
    if len(parts) != len(joins) + 1 or any(part.kind != "string" for part in parts):
        return None
    return "".join(string_value(part.text) for part in parts) if {t.text for t in joins} <= {".."} else None


def _docstring(source: str) -> str:
    lines: list[str] = []
    for line in source.splitlines():
        if line.startswith("#!") and not lines:
            continue
        if not line.startswith("---"):
            break
        lines.append(re.sub(r"^---+ ?", "", line).rstrip())
    return "\n".join(lines).strip()[:MAX_TEXT]
