"""The key ring that signs tokens: one file in the home, so that tokens outlive a restart (R-secret)."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from msgspec import DecodeError, Struct, json

from skep.errors import ConfigError

KEY_BYTES = 32


class KeyRing(Struct, frozen=True):
    """Keys by id; new tokens are signed with `current`."""

    current: str
    keys: dict[str, bytes]

    def __repr__(self) -> str:
        return f"KeyRing(current={self.current!r}, keys=***)"


def fresh_ring() -> KeyRing:
    """A ring with one new key, for an engine without a home."""
    key_id = secrets.token_hex(4)
    return KeyRing(key_id, {key_id: secrets.token_bytes(KEY_BYTES)})


def home_ring(home: Path) -> KeyRing:
    """The ring in `home/keys.json` (0600), made when it is missing.

    Raises:
        ConfigError: it cannot be read, or others may read it.
    """
    path = home / "keys.json"
    if not path.exists():
        _create(path)
    return _read(path)


def _create(path: Path) -> None:
    """Write aside, then link: a second process sees no ring or a whole one."""
    draft = path.with_name(f"keys.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.encode(fresh_ring()))
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    except OSError as error:
        raise ConfigError(f"cannot make the key ring: {error}", where=str(path)) from error


def _read(path: Path) -> KeyRing:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError("others may read the key ring", where=str(path), fix=f"chmod 600 {path}")
        return json.decode(path.read_bytes(), type=KeyRing)
    except (OSError, DecodeError) as error:
        raise ConfigError(f"the key ring cannot be read: {error}", where=str(path)) from error
