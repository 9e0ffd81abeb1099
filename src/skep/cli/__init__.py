"""The `skep` program: `skep.cli:main` is its console script, one file holds each command."""

from __future__ import annotations

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command with `arguments`, by default those of the process; returns its exit code."""
    import sys

    from skep.cli.interrupts import leave_when_signalled

    words = sys.argv[1:] if arguments is None else arguments
    leave_when_signalled(as_json="--json" in words)
    from skep.cli import program

    return program.main(arguments)
