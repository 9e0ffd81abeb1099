"""The tokens of a store as they are shown: never a secret, and no nonce (R-secret)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

from msgspec import Struct, structs

from skep.core import events as ev
from skep.core.roles import Role
from skep.core.tokens import token_id
from skep.journal.base import Entry, Journal

TokenStatus = Literal["live", "used up", "expired", "ended"]

PAGE = 1_000


class TokenInfo(Struct, frozen=True, kw_only=True):
    """What is known of a token. `id` is what commands call it by; times are milliseconds since the epoch.

    `ended` says that it, its session or a token that it was narrowed from was revoked or detached, or that the key
    it was signed with was dropped.
    """

    id: str
    principal: str
    role: Role
    scopes: tuple[str, ...]
    issued_at: int
    expire_at: int
    max_uses: int | None
    uses_left: int | None
    state: TokenStatus
    label: str | None = None
    parent: str | None = None


async def entries(journal: Journal, kind: Literal["token", "issued"] = "token") -> AsyncIterator[Entry]:
    """Every token of the store that may be in force, or that was not revoked (`issued`), oldest first."""
    after = 0
    while page := await journal.list_entries(kind, after=after, limit=PAGE):
        for entry in page:
            yield entry
        after = page[-1].position


async def read_tokens(journal: Journal, now: int, dropped_at: int = 0) -> list[TokenInfo]:
    """All tokens of a store that were not revoked themselves, oldest first.

    The keys of those that were issued until `dropped_at` are gone.
    """
    found: dict[str, TokenInfo] = {}
    async for entry in entries(journal):
        info = await _read(journal, entry, now)
        if info is not None:
            found[entry.key] = info
    by_id = {info.id: info for info in found.values()}
    return [_in_force(info, by_id, dropped_at) for info in found.values()]


async def _read(journal: Journal, entry: Entry, now: int) -> TokenInfo | None:
    minted: ev.SessionAttached | ev.TokenMinted | None = None
    used = 0
    after = entry.version - 1
    while page := await journal.read(entry.log, after):
        for event in (recorded.event for recorded in page):
            if isinstance(event, ev.SessionAttached | ev.TokenMinted) and event.nonce == entry.key:
                minted = event
            elif isinstance(event, ev.TokenUsed) and event.nonce == entry.key:
                used += 1
        after = page[-1].version
    return None if minted is None else _info(minted, used, now)


def _info(minted: ev.SessionAttached | ev.TokenMinted, used: int, now: int) -> TokenInfo:
    left = None if minted.max_uses is None else max(0, minted.max_uses - used)
    state: TokenStatus = "expired" if now >= minted.expire_at else "used up" if left == 0 else "live"
    attached = isinstance(minted, ev.SessionAttached)
    return TokenInfo(
        id=token_id(minted.nonce),
        principal=minted.operator_id if attached else minted.principal,
        role=minted.role,
        scopes=minted.scopes,
        issued_at=minted.at,
        expire_at=minted.expire_at,
        max_uses=minted.max_uses,
        uses_left=left,
        state=state,
        label=None if attached else minted.label,
        parent=token_id(minted.parent) if minted.parent is not None else None,
    )


def _in_force(info: TokenInfo, by_id: dict[str, TokenInfo], dropped_at: int) -> TokenInfo:
    """A token whose parent or key has gone has ended with it. The parent of a worker's token is not listed."""
    if info.state == "live" and (info.issued_at <= dropped_at or _has_ended(info, by_id)):
        return structs.replace(info, state="ended")
    return info


def _has_ended(info: TokenInfo, by_id: dict[str, TokenInfo]) -> bool:
    while info.parent is not None:
        parent = by_id.get(info.parent)
        if parent is None:
            return info.role != "worker"
        info = parent
    return False
