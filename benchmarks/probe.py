"""What every probe shares, ours and the peers': standard library only, for both virtual environments."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

WARM_UP = 50
"""Steps performed before the clock starts, on every side."""


def report(**numbers: float) -> None:
    """Print the probe's one line of JSON."""
    print(json.dumps(numbers))


def require(condition: object, message: str) -> None:
    """A probe whose result is wrong measures nothing: it ends here, and so does the benchmark."""
    if not condition:
        raise SystemExit(f"the probe's own check failed: {message}")


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """An empty folder for a store (TMPDIR says where), gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="skep-bench-") as name:
        yield Path(name)


def size_on_disk(place: Path) -> int:
    """Bytes of all files below `place`."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def committed(database: Path, query: str) -> int:
    """One number, read over a connection of its own: what it sees is committed."""
    connection = sqlite3.connect(database)
    try:
        return int(connection.execute(query).fetchone()[0])
    finally:
        connection.close()
