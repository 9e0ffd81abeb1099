"""Artifacts in memory, and the logs that mention them."""

from __future__ import annotations

import hashlib

from skep.journal.artifacts import blob_not_found


class MemoryBlobs:
    """Bytes by digest."""

    def __init__(self) -> None:
        self._data: dict[str, bytes] = {}
        self._mentions: dict[str, set[str]] = {}
        self._kept: set[str] = set()

    def put(self, data: bytes, log: str | None) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self._data[sha256] = bytes(data)
        if log is None:
            self._kept.add(sha256)
        else:
            self._mentions.setdefault(log, set()).add(sha256)
        return sha256

    def get(self, sha256: str, log: str | None) -> bytes:
        known = sha256 in self._data if log is None else sha256 in self._mentions.get(log, ())
        if not known:
            raise blob_not_found(sha256, log)
        return self._data[sha256]

    def drop(self, log: str) -> None:
        """Forget what only `log` mentions; what was stored without a log stays."""
        for sha256 in self._mentions.pop(log, ()):
            mentioned = any(sha256 in others for others in self._mentions.values())
            if not mentioned and sha256 not in self._kept:
                del self._data[sha256]
