"""The workers of NAME: plain functions, their parameters come from the step's input."""

from __future__ import annotations


def count(text: str) -> int:
    """How many words `text` has."""
    return len(text.split())
