"""Flows in Python: `from skep import flow`, then `flow.blueprint("id", flow.step(...))` over `flow.p` paths.

`flow.blueprint` is the function that makes one; the module of that name is imported as `skep.flow.blueprint`.
"""

from __future__ import annotations

from skep.flow.build import (
    Backoff,
    Retry,
    Term,
    arr,
    ask,
    blueprint,
    branch,
    concat,
    exists,
    fanout,
    format_,
    in_,
    keys_,
    len_,
    let,
    loop,
    max_,
    min_,
    obj,
    p,
    parallel,
    seq,
    step,
    switch,
    try_,
    wait,
)

__all__ = [
    "Backoff",
    "Retry",
    "Term",
    "arr",
    "ask",
    "blueprint",
    "branch",
    "concat",
    "exists",
    "fanout",
    "format_",
    "in_",
    "keys_",
    "len_",
    "let",
    "loop",
    "max_",
    "min_",
    "obj",
    "p",
    "parallel",
    "seq",
    "step",
    "switch",
    "try_",
    "wait",
]
