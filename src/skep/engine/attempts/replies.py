"""What was answered to the last result of each bearer, so that a lost reply can be had again (R-once)."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING

from msgspec import Struct, json

from skep.core.outputs import Final, OutputEvent

if TYPE_CHECKING:
    from skep.engine.tokens.office import Bearer


class Reply(Struct, frozen=True):
    """A result that was accepted: `recorded` is the final as it stands in the journal."""

    task_id: str
    attempt: int
    digest: str
    recorded: Final | None


class Replies:
    """The last accepted result of each of the last `limit` bearers, by digest: no secret and no value is kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last: OrderedDict[str, Reply] = OrderedDict()

    def note(
        self, bearer: Bearer, task_id: str, attempt: int, event: OutputEvent, recorded: Final | None
    ) -> None:
        """An output was accepted; only results are remembered."""
        if type(event) is not Final:
            return
        key = _key(bearer)
        self._last[key] = Reply(task_id, attempt, _digest(event), recorded)
        self._last.move_to_end(key)
        if len(self._last) > self._limit:
            self._last.popitem(last=False)

    def find(self, bearer: Bearer, task_id: str, attempt: int | None, event: OutputEvent) -> Reply | None:
        """The reply to exactly this result, if it was the bearer's last; null `attempt`: any."""
        if type(event) is not Final:
            return None
        reply = self._last.get(_key(bearer))
        if reply is None or reply.task_id != task_id or attempt not in (None, reply.attempt):
            return None
        return reply if reply.digest == _digest(event) else None


def _key(bearer: Bearer) -> str:
    secret = bearer if isinstance(bearer, str) else bearer.nonce
    return sha256(secret.encode(errors="replace")).hexdigest()


def _digest(event: Final) -> str:
    return sha256(json.encode(event)).hexdigest()
