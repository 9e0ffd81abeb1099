"""What one script is given besides its source: everything that `script.py` needs of the world."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from skep.lua.limits import Limits
from skep.lua.modules import Find
from skep.lua.vm import Profile
from skep.strategy.budget import Budget
from skep.strategy.calls import Calls
from skep.strategy.metrics import Metrics
from skep.strategy.queries import Reply
from skep.strategy.records import Seeds
from skep.strategy.steps import Stepper

Primitive = Callable[..., Any]
"""A call of the script: JSON values in, one out."""


class Fork(Struct, frozen=True):
    """What `alc.fork` is to start."""

    strategies: tuple[str, ...]
    ctx: Any


class Environment(Struct, frozen=True, kw_only=True):
    """One script's own; children get one each."""

    calls: Calls
    metrics: Metrics
    budget: Budget | None
    seeds: Seeds
    started_at: int
    prefix: str
    """How the ids of its queries begin."""
    now: Callable[[], int]
    known: Callable[[str], Reply | None]
    """The recorded answer to a query."""
    primitives: Mapping[str, Primitive]
    dirs: Mapping[str, str]
    """`alc._dirs`."""
    find: Find
    fork: Callable[[int, Fork], tuple[Stepper, ...]]
    """The children of the n-th fork, from 1."""
    write: Callable[[str, str], None]
    """Gets level and text of what the script logs."""
    limits: Limits
    profile: Profile
    parked: Callable[[Stepper], None]
    """Told when the thread itself waits."""
    unparked: Callable[[Stepper], None]
