"""The `skep` program: `skep.cli:main` is its console script, one file holds each command."""

from __future__ import annotations

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command with `arguments`, by default those of the process; returns its exit code."""
    from skep.cli import program

    return program.main(arguments)
