"""Step keys: where in the flow a step stands, the same in every process and after every restart.

    step_key := seg ('/' seg)*      seg := (id | index | word) ('[' number ']')*

The children of a `seq` are `K/<id>`, or `K/<index>` where the child has no `id`. Elsewhere a fixed word
stands and an `id` changes nothing:

| node | keys of what it holds |
|---|---|
| `branch` | `K/then`, `K/else` |
| `switch` | `K/case0`, `K/case1` ..., `K/default` |
| `loop` | `K[0]` in the first turn, `K[1]` in the second ... |
| `fanout` | `K[0]` in the first lane ... |
| `parallel` | `K/<branch name>` |
| `try` | `K/body`, `K/catch` |

A root `seq` has the empty key (its children are `0`, `1` ... or their ids); any other root node has its `id`,
or `0`. So the body of loop `review` in its fourth turn is `review[3]`, and if that body is a `seq`, its first
child is `review[3]/0`. No attempt and no content stands in a key: equal inputs in two turns have two keys.
"""

from __future__ import annotations

import re

ROOT_SEQ = ""

_NAME = re.compile(r"[^\W\d][\w.-]{0,63}")
NAME_RULE = "a letter or _, then at most 63 letters, digits, _ . or -"


def is_name(text: str) -> bool:
    """Whether `text` may be a node's `id` or a branch's name.

    Nothing else is, so that none can be taken for an index or for two segments.

    >>> is_name("style-check"), is_name("1"), is_name("a/b"), is_name("")
    (True, False, False, False)
    """
    return _NAME.fullmatch(text) is not None


def root(node_id: str | None, *, is_seq: bool) -> str:
    """The key of a flow's root node.

    >>> root(None, is_seq=True), root("review", is_seq=False), root(None, is_seq=False)
    ('', 'review', '0')
    """
    return ROOT_SEQ if is_seq else node_id or "0"


def child(key: str, segment: str) -> str:
    """The key of what stands at `segment` inside the node at `key`.

    >>> child("review[3]", "then"), child(ROOT_SEQ, "0")
    ('review[3]/then', '0')
    """
    return f"{key}/{segment}" if key else segment


def item(key: str, number: int) -> str:
    """The key of turn or lane `number`, from 0.

    >>> item("review", 3)
    'review[3]'
    """
    return f"{key}[{number}]"
