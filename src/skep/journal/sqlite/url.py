"""Store addresses of the form `sqlite:///FILE[?synchronous=full|normal|memory]`."""

from __future__ import annotations

from typing import Literal, cast, get_args

from msgspec import Struct

from skep.errors import ConfigError

Synchronous = Literal["full", "normal", "memory"]
"""What a commit survives: `full` a power cut; `normal` the death of the process, and a power cut may take
the last commits but harms nothing else; `memory` the death of the process only, and a power cut may damage
the store."""

_PREFIX = "sqlite:///"
_SHAPE = "write sqlite:///FILE, or sqlite:////DIR/FILE for an absolute path"


class SqliteUrl(Struct, frozen=True):
    """A parsed address; `path` as written, relative to the working directory unless it begins with `/`."""

    path: str
    synchronous: Synchronous = "full"

    def __str__(self) -> str:
        options = "" if self.synchronous == "full" else f"?synchronous={self.synchronous}"
        return f"{_PREFIX}{self.path}{options}"


def parse_sqlite_url(url: str) -> SqliteUrl:
    """Take an address apart; the path is taken literally up to the first `?`.

    Raises:
        ConfigError: another scheme, no path, or an option that there is not.

    >>> parse_sqlite_url("sqlite:////var/lib/skep.db?synchronous=normal")
    SqliteUrl(path='/var/lib/skep.db', synchronous='normal')
    """
    if not url.startswith(_PREFIX):
        raise ConfigError("not an SQLite store", where=url, fix=_SHAPE)
    path, _, query = url.removeprefix(_PREFIX).partition("?")
    if not path or "\0" in path:
        raise ConfigError("the address names no file", where=url, fix=_SHAPE)
    if path.rpartition("/")[2] in ("", ".", ".."):
        raise ConfigError("the address names a folder, not a file", where=url, fix=_SHAPE)
    if path == ":memory:":
        raise ConfigError(
            "an SQLite store needs a file", where=url, fix="write memory: for a store in memory"
        )
    return SqliteUrl(path, _synchronous(query, url))


def _synchronous(query: str, url: str) -> Synchronous:
    if not query:
        return "full"
    name, _, value = query.partition("=")
    if name != "synchronous" or value not in get_args(Synchronous):
        choices = ", ".join(f"synchronous={choice}" for choice in get_args(Synchronous))
        raise ConfigError(f"unknown option {query!r}", where=url, fix=f"there are {choices}")
    return cast("Synchronous", value)
