"""Every published spelling that is read, in one table; the newest is the one that is written."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Where = Literal["node", "op", "field", "agent kind"]


class Spelling(Struct, frozen=True):
    """`old` is read as `new`; `of` is the node or op that a field belongs to."""

    where: Where
    old: str
    new: str
    of: str = ""
    note: str = ""


SPELLINGS: tuple[Spelling, ...] = (
    Spelling("node", "assign", "let"),
    Spelling("op", "le", "lte"),
    Spelling("op", "ge", "gte"),
    Spelling("field", "operand", "arg", of="not"),
    Spelling("field", "operands", "args", of="and"),
    Spelling("field", "operands", "args", of="or"),
    Spelling("field", "of", "arg", of="len"),
    Spelling("field", "at", "arg", of="exists", note="was a path, is an expression"),
    Spelling("field", "agent", "ref", of="step", note="for people; ref is what is written"),
    Spelling("agent kind", "rust_fn", "python"),
    Spelling("agent kind", "process", "subprocess"),
    Spelling("agent kind", "agent_block", "agent"),
)

_TABLE = {(spelling.where, spelling.of, spelling.old): spelling.new for spelling in SPELLINGS}

NODES_NOT_YET = frozenset({"call"})
"""Words that later versions know; using one is an error of its own, not an unknown word."""
OPS_NOT_YET = frozenset({"call_extern"})


def newest(where: Where, word: str, of: str = "") -> str:
    """The newest spelling of `word`; a word without an older form is returned as it is.

    >>> newest("op", "le"), newest("field", "of", "len"), newest("field", "of", "index")
    ('lte', 'arg', 'of')
    """
    return _TABLE.get((where, of, word), word)
