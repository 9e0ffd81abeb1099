"""For tests of flows and of adapters.

>>> from skep.flow import let, p
>>> from skep.testing import run_pure
>>> run_pure(let(p.n, p.n + 1), {"n": 1}, {})
{'n': 2}

`skep.testing.journal` and `skep.testing.workers` hold the suites that an adapter must pass.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skep.testing.clock import FakeClock
    from skep.testing.pure import run_pure

__all__ = ["FakeClock", "run_pure"]

_HOME = {"FakeClock": "skep.testing.clock", "run_pure": "skep.testing.pure"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'skep.testing' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value
