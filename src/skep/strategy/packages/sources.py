"""Where a package came from, as `installed.json` and `alc.lock` say it."""

from __future__ import annotations

from typing import Any, Literal, cast

from msgspec import Struct

from skep.errors import PackageError

SourceType = Literal["unknown", "installed", "path", "git", "bundled"]
_TYPES: frozenset[str] = frozenset({"unknown", "installed", "path", "git", "bundled"})


class Source(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`path` of type path, `url` and `rev` of type git, `collection` of type bundled."""

    type: SourceType
    path: str | None = None
    url: str | None = None
    rev: str | None = None
    collection: str | None = None

    def fields(self) -> dict[str, str]:
        """As a table, without what is not said."""
        told = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in told.items() if value is not None}

    @property
    def told(self) -> str:
        """In one word or address, as lists show it."""
        return self.url or self.path or self.collection or self.type


def read_source(value: object, where: str) -> Source:
    """A source as a table, or as the one word of earlier files. Raises `PackageError`."""
    if isinstance(value, str):
        return _from_word(value)
    table = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    kind = table.get("type")
    if kind not in _TYPES:
        raise PackageError(f"no source has the type {kind!r}"[:200], where=where)
    told = {name: table.get(name) for name in ("path", "url", "rev", "collection")}
    wrong = next((name for name, value in told.items() if not isinstance(value, str | None)), None)
    if wrong is not None:
        raise PackageError(f"a source's {wrong} is no text", where=where)
    return Source(type=cast("SourceType", kind), **told)


def _from_word(word: str) -> Source:
    if word == "bundled":
        return Source(type="bundled")
    if "://" in word:
        return Source(type="git", url=word)
    if word.startswith("/"):
        return Source(type="path", path=word)
    return Source(type="unknown" if not word else "installed")
