"""The key ring that signs tokens: one file in the home, so that tokens outlive a restart (R-secret).

Several processes may share a home. The file is the truth: it is changed under a lock, written aside and renamed,
and looked at again when it has changed. With each key stands until when a token signed with it may live, so a
rotation knows which keys are still needed whatever stores those tokens belong to.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Generator, Mapping
from pathlib import Path

from msgspec import DecodeError, Struct, field, json

from skep.config import open_home
from skep.errors import BadSignature, ConfigError

KEY_BYTES = 32
MAX_FILE = 1_000_000
"""Bytes of the file: keys go when nothing needs them any more, so it stays far below."""
DAY_MS = 24 * 3600 * 1000
"""How coarsely the file says until when a key is needed: a busy host writes it once a day, not for every token."""

_Seen = tuple[int, int, int]


class _Keys(Struct, frozen=True):
    """What the file holds: keys by id, new tokens are signed with `current`."""

    current: str
    keys: dict[str, bytes]
    until: dict[str, int] = field(default_factory=dict)
    dropped_at: int = 0
    """When keys were last dropped that tokens were still signed with; milliseconds."""

    def __repr__(self) -> str:
        return f"_Keys(current={self.current!r}, keys=***)"


class KeyRing:
    """The keys as this process last saw them; without a file, as it made them."""

    def __init__(self, keys: _Keys, path: Path | None = None, seen: _Seen | None = None) -> None:
        self._keys = keys
        self._path = path
        self._seen = seen
        self.changes = 0
        """How often the keys have changed: what was verified before may not be any more."""

    def __repr__(self) -> str:
        return f"KeyRing(current={self.current!r}, keys=***)"

    @property
    def current(self) -> str:
        """The id of the key that signs."""
        return self._keys.current

    @property
    def keys(self) -> Mapping[str, bytes]:
        """Keys by id; those of retired ones too, while tokens signed with them may live."""
        return self._keys.keys

    @property
    def dropped_at(self) -> int:
        """Tokens issued until then are good no more; milliseconds, 0 when none ever ended so."""
        return self._keys.dropped_at

    def key(self, key_id: str) -> bytes:
        """The key of this id, in this process or, as it now stands, in the file.

        Raises:
            BadSignature: there is none.
        """
        found = self._keys.keys.get(key_id)
        if found is None:
            self.refresh()
            found = self._keys.keys.get(key_id)
        if found is None:
            raise BadSignature("the token was signed with a key that is not here", fix="mint or attach again")
        return found

    def refresh(self) -> None:
        """Look whether another process has changed the file.

        Raises:
            ConfigError: it is gone, or cannot be read: nothing is verified then.
        """
        if self._path is not None and _look(self._path) != self._seen:
            self._take(*_read(self._path))

    def signing_key(self, expire_at: int) -> str:
        """The id of the key for a token that lives until `expire_at` (milliseconds); may write the file.

        Raises:
            ConfigError: the file cannot be written.
        """
        self.refresh()
        if expire_at > self._keys.until.get(self.current, 0):
            with self._changing():
                until = -(-expire_at // DAY_MS) * DAY_MS
                needed = max(until, self._keys.until.get(self.current, 0))
                self._save(self._keys.keys, self._keys.until | {self.current: needed})
        return self.current

    def rotate(self, now: int, *, drop: bool = False) -> tuple[str, ...]:
        """Sign with a new key from now on; returns the ids of the older keys that are kept.

        A key is kept until the last token signed with it has ended; with `drop` none is, and all tokens that
        were handed out before end.

        Raises:
            ConfigError: the file cannot be written.
        """
        with self._changing():
            old = () if drop else tuple(key for key in self.keys if self._keys.until.get(key, 0) > now)
            new = secrets.token_hex(4)
            keys = {key: self.keys[key] for key in old} | {new: secrets.token_bytes(KEY_BYTES)}
            until = {key: self._keys.until[key] for key in old}
            self._save(keys, until, current=new, dropped_at=now if drop else None)
        return old

    @contextlib.contextmanager
    def _changing(self) -> Generator[None]:
        """Nobody else changes the file meanwhile, and we have seen its last state."""
        if self._path is None:
            yield
            return
        with _locked(self._path.with_name("keys.lock")):
            self.refresh()
            yield

    def _save(
        self,
        keys: Mapping[str, bytes],
        until: Mapping[str, int],
        *,
        current: str | None = None,
        dropped_at: int | None = None,
    ) -> None:
        dropped = self.dropped_at if dropped_at is None else dropped_at
        made = _Keys(current or self.current, dict(keys), dict(until), dropped)
        if self._path is not None:
            _write(self._path, made)
            self._take(made, _look(self._path))
        else:
            self._take(made, None)

    def _take(self, keys: _Keys, seen: _Seen | None) -> None:
        if keys.keys != self._keys.keys:
            self.changes += 1
        self._keys, self._seen = keys, seen


def fresh_ring() -> KeyRing:
    """A ring with one new key, for an engine without a home."""
    return KeyRing(_fresh())


def home_ring(home: Path) -> KeyRing:
    """The ring in `home/keys.json` (0600), made when it is missing.

    Raises:
        ConfigError: it cannot be read, others may read it, or others may write to the home.
    """
    path = open_home(home) / "keys.json"
    if not path.exists():
        with _locked(path.with_name("keys.lock")):
            if not path.exists():
                _write(path, _fresh())
    keys, seen = _read(path)
    return KeyRing(keys, path, seen)


def _fresh() -> _Keys:
    key_id = secrets.token_hex(4)
    return _Keys(key_id, {key_id: secrets.token_bytes(KEY_BYTES)})


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ConfigError(f"the key ring cannot be locked: {error}", where=str(path)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, keys: _Keys) -> None:
    """Replace the file as a whole: a reader sees the old ring or the new one, also after a power cut."""
    draft = path.with_name(f"keys.{secrets.token_hex(4)}.tmp")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.encode(keys))
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise ConfigError(f"the key ring cannot be written: {error}", where=str(path)) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _look(path: Path) -> _Seen:
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigError(f"the key ring cannot be read: {error}", where=str(path)) from error
    if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE:
        raise ConfigError("not a key ring: no regular file, or too large", where=str(path))
    if found.st_uid != os.geteuid():
        raise ConfigError("the key ring belongs to another user", where=str(path))
    if found.st_mode & 0o077:
        raise ConfigError("others may read the key ring", where=str(path), fix=f"chmod 600 {path}")
    return found.st_mtime_ns, found.st_ino, found.st_size


def _read(path: Path) -> tuple[_Keys, _Seen]:
    seen = _look(path)
    try:
        keys = json.decode(path.read_bytes(), type=_Keys)
    except (OSError, DecodeError) as error:
        raise ConfigError(f"the key ring cannot be read: {error}", where=str(path)) from error
    if keys.current not in keys.keys or any(len(key) < KEY_BYTES for key in keys.keys.values()):
        raise ConfigError("the key ring lacks its current key, or has a short one", where=str(path))
    return keys, seen
