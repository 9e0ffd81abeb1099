"""Scripts that nobody vouches for: each call in a warm process that has given up everything (DESIGN section 9)."""

from __future__ import annotations

from skep.lua.isolation.bounds import Bounds
from skep.lua.isolation.hardening import hardening
from skep.lua.isolation.pool import ChildPool
from skep.lua.isolation.runner import ChildRunner

__all__ = ["Bounds", "ChildPool", "ChildRunner", "hardening"]
