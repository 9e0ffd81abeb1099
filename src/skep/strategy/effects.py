"""Changes of a home that happen once, however often the script that makes them is run again.

A change is decided when its *intent* is on disk: what the script gets to hear, and the file with its new content.
Whoever next takes the lock carries an intent out that a dead process has left. So no other process ever sees half
of it or overwrites it, and the session that comes back finds the reply under the change's own id.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from glob import escape
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from skep.errors import StrategyError
from skep.strategy.files import MAX_FILE, locked, newest_first, read, replace

KEEP_DAYS = 30
"""How long the reply of a change is kept for a session that died before it had recorded it."""
_MAX_INTENT = MAX_FILE + (16 << 20)


class Change(Struct, frozen=True):
    """What one call does: `content` becomes that of `path`; without a path it changes nothing."""

    reply: Any
    path: Path | None = None
    content: bytes = b""


class _Intent(Struct, frozen=True):
    path: str
    content: bytes
    reply: Any


Prepare = Callable[[], Change]


class EffectLog:
    """The intents of one home. A *scope* is what one lock guards: a namespace of state, all cards."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._locks = home / "locks"
        self._pending = home / "effects" / "pending"
        self._done = home / "effects" / "done"

    def change(self, scope: str, prepare: Prepare) -> Any:
        """Carry a change out for a caller who does not come back after a crash; its reply."""
        with self._guarded(scope):
            change = prepare()
            if change.path is not None:
                replace(change.path, change.content)
            return change.reply

    def once(self, scope: str, effect_id: str, prepare: Prepare) -> Any:
        """Carry a change out, or find that it was carried out under this id; its reply.

        Raises:
            StrategyError, LimitExceeded: of `prepare`, or a file cannot be written; nothing is changed then.
        """
        done = self._done / effect_id
        with self._guarded(scope):
            if (data := read(done, _MAX_INTENT)) is not None:
                return _decoded(data, done).reply
            change = prepare()
            if change.path is not None:
                intent = _Intent(str(change.path.relative_to(self._home)), change.content, change.reply)
                pending = self._pending / f"{scope}~{effect_id}"
                replace(pending, msgspec.msgpack.encode(intent))
                try:
                    replace(change.path, change.content)
                except StrategyError:
                    pending.unlink(missing_ok=True)
                    raise
                self._carried_out(pending, effect_id)
            return change.reply

    def forget(self, effect_id: str) -> None:
        """The reply is recorded elsewhere, durably."""
        (self._done / effect_id).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove the replies that nobody has come back for; how many."""
        oldest = time.time() - KEEP_DAYS * 86_400
        old = [path for written, path in newest_first(self._done, "") if written < oldest]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    @contextlib.contextmanager
    def _guarded(self, scope: str) -> Generator[None]:
        with locked(self._locks / f"{scope}.lock"):
            for draft in self._pending.glob(f".{escape(scope)}~*.tmp"):
                draft.unlink()
            for _, pending in newest_first(self._pending, ""):
                of, _, effect_id = pending.name.rpartition("~")
                if of == scope:
                    intent = _decoded(read(pending, _MAX_INTENT) or b"", pending)
                    replace(self._home / intent.path, intent.content)
                    self._carried_out(pending, effect_id)
            yield

    def _carried_out(self, pending: Path, effect_id: str) -> None:
        self._done.mkdir(mode=0o700, parents=True, exist_ok=True)
        pending.rename(self._done / effect_id)


def _decoded(data: bytes, path: Path) -> _Intent:
    try:
        return msgspec.msgpack.decode(data, type=_Intent)
    except msgspec.MsgspecError as error:
        raise StrategyError(f"is no intent: {error}", where=str(path), fix="move it away") from error
