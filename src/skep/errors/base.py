"""The root of the tree, and what is wrong with values, bounds and settings."""

from __future__ import annotations

from typing import ClassVar


class SkepError(Exception):
    """Root of the tree.

    Args:
        what: what happened, one sentence without a full stop.
        where: the place (file:line, step key, log, option), if there is one.
        fix: what the reader can do about it, if there is something.
    """

    code: ClassVar[str] = "E-INTERNAL"

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f" ({self.fix})" if self.fix else ""
        return f"{place}{self.what}{remedy}"

    def to_dict(self) -> dict[str, str | None]:
        """The error as JSON: `{"code", "message", "where", "fix"}`."""
        return {"code": self.code, "message": self.what, "where": self.where, "fix": self.fix}


class BadValue(SkepError):
    """A value from outside that JSON cannot carry exactly (R-value)."""

    code = "E-VALUE"


class LimitExceeded(SkepError):
    """A bound was reached (R-bound)."""

    code = "E-LIMIT"

    def __init__(self, name: str, limit: float, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(f"limit {name} of {limit:,} exceeded", where=where, fix=fix)
        self.name = name
        self.limit = limit


class BadFileRef(SkepError):
    """A worker's `file_ref` outside its scratch directory and work_dir, or not a regular file."""

    code = "E-FILE-REF"


class ConfigError(SkepError):
    """An option, environment variable or home that cannot be used."""

    code = "E-CONFIG"
