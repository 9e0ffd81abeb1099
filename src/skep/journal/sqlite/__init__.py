"""The journal in one SQLite file (`sqlite:///FILE`), shared by as many processes as like."""

from __future__ import annotations

from skep.journal.sqlite.journal import SqliteJournal
from skep.journal.sqlite.url import SqliteUrl, parse_sqlite_url

__all__ = ["SqliteJournal", "SqliteUrl", "parse_sqlite_url"]
