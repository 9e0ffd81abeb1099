"""Strategies that come with skep, each from its paper; `docs/strategies-bundled.md` lists them."""

from __future__ import annotations

from pathlib import Path

BUNDLED = Path(__file__).parent
"""The folder that hosts search last."""
