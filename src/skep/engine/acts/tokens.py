"""Making, narrowing, listing and ending tokens: a base of `Engine` (DESIGN section 5, *Tokens*).

Without a `token` of one's own, a call is that of the owner of the process and its store.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from msgspec import Struct

from skep import values
from skep.core import events as ev
from skep.core.roles import ROLES, Role
from skep.core.scopes import ALL, attenuate, narrowed, parse_scopes
from skep.core.tokens import TokenRecord, token_id
from skep.engine.acts.guarded import Guarded
from skep.engine.tokens.listing import TokenInfo, entries, read_tokens
from skep.engine.tokens.office import Bearer
from skep.errors import BadValue, EngineError, LimitExceeded, RoleViolation, ScopeWidened, TokenNotFound
from skep.ids import new_id, new_nonce

MAX_TTL = 10 * 365 * 24 * 3600.0
"""Seconds that a token may live."""
MAX_USES = 2**31 - 1
DEFAULT_TTL = 3600.0
MIN_PREFIX = 4
"""Characters of a nonce by which a token may be named."""
REQUEST_SECONDS = 10.0
"""How long another process is given to end a token that it owns."""
LOOK_SECONDS = 0.05


TOKEN_ID = re.compile("[0-9a-f]{8}")


class Minted(Struct, frozen=True, kw_only=True):
    """A new token. `text` is the secret, shown here and never again; `expire_at` is in milliseconds."""

    id: str
    principal: str
    role: Role
    scopes: tuple[str, ...]
    expire_at: int
    max_uses: int | None
    text: str

    def __repr__(self) -> str:
        return f"Minted(id={self.id!r}, principal={self.principal!r}, role={self.role!r}, text=***)"


class TokenActs(Guarded):
    """The acts on tokens; a base of `Engine`, which has the rest."""

    async def mint_token(
        self,
        principal: str,
        role: Role,
        *,
        scopes: Sequence[str] = ALL,
        ttl: float | None = None,
        max_uses: int | None = None,
        label: str | None = None,
        token: Bearer | None = None,
    ) -> Minted:
        """A login token for `principal`; returns when it is durable.

        Args:
            principal: whom it stands for, up to 256 characters.
            role: what it may do (`skep.core.roles`).
            scopes: what narrows that; none at all allow nothing.
            ttl: seconds that it lives, by default an hour.
            max_uses: calls that it is good for, by default any number.
            label: a remark for lists.
            token: who mints, if not the owner; the new token is then within it and ends with it.

        Raises:
            RoleViolation: no such role.
            BadScope, BadValue, LimitExceeded: arguments that cannot be used.
            ScopeWidened: more than the token that mints has.
        """
        if role not in ROLES:
            raise RoleViolation(role, "mint_token")
        parent = await self._parent(token, "mint_token")
        wanted = parse_scopes(scopes)
        if parent is not None:
            attenuate(parent[1].scopes, wanted)
        end = end_of(self.ledger.now(), ttl, parent[1] if parent else None)
        return await self._mint(principal, role, wanted, end, max_uses, label=label, parent=parent)

    async def attenuate(
        self,
        token: Bearer,
        *,
        scopes: Sequence[str] = (),
        ttl: float | None = None,
        max_uses: int | None = None,
        label: str | None = None,
    ) -> Minted:
        """A narrower token from one's own: conditions added, values dropped, life and uses shortened.

        A condition replaces those of its kind. The new token ends with the old one, and what it uses the old one
        has used too.

        Raises:
            ScopeWidened: it would allow more, or live longer.
            BadScope, BadValue, LimitExceeded: arguments that cannot be used, or narrowed too often.
        """
        parent = await self._parent(token, "attenuate")
        assert parent is not None  # noqa: S101 - a token was given
        _, record = parent
        wanted = narrowed(record.scopes, parse_scopes(scopes))
        end = record.expire_at if ttl is None else end_of(self.ledger.now(), ttl, record)
        return await self._mint(
            record.agent_id, record.role, wanted, end, max_uses, label=label, parent=parent
        )

    async def revoke(self, which: str, *, token: Bearer | None = None) -> str:
        """End a token and all that were narrowed from it, whichever process owns it; returns its id.

        Runs that were launched with one of them are cancelled. So one that has expired, or whose session was
        detached, can be revoked too. A session ends with each token that it ever had.

        Args:
            which: its id as `list_tokens` shows it, or a beginning of its nonce.
            token: who revokes, if not the owner.

        Raises:
            TokenNotFound: no token, or several, are called so.
            EngineError: the process that owns it does not answer; it will find the request when it does.
        """
        await self.admit(token, "revoke")
        nonce, log = await self._named(which)
        if await self.dispatcher.tokens.logs.own(log):
            self.revoke_here(nonce, log)
            await self.ledger.flushed()
        else:
            await self._ask_owner("revoke", nonce, log)
        return token_id(nonce)

    async def list_tokens(self, *, token: Bearer | None = None) -> list[TokenInfo]:
        """The store's tokens, oldest first, without those that were revoked and those of workers."""
        await self.admit(token, "list_tokens")
        await self.ledger.flushed()
        ring = self.dispatcher.tokens.ring
        ring.refresh()
        return await read_tokens(self.ledger.journal, self.ledger.now(), ring.dropped_at)

    async def rotate_keys(self, *, now: bool = False, token: Bearer | None = None) -> tuple[str, ...]:
        """Sign with a new key from here on; returns the ids of the older keys that are kept.

        Every process with this home follows. Older keys are kept until the last token signed with them has ended;
        with `now` they are dropped, and all tokens that were handed out before end at once.

        Raises:
            ConfigError: the key ring cannot be written.
        """
        await self.admit(token, "rotate_keys")
        return self.dispatcher.tokens.ring.rotate(self.ledger.now(), drop=now)

    # -- inside --------------------------------------------------------------------------------

    def revoke_here(self, nonce: str, log: str) -> None:
        """Record the end of a token whose log this process owns; again, it changes nothing."""
        record = self.ledger.state.tokens.get(nonce)
        if record is None or not record.revoked:
            self.ledger.commit(log, (ev.TokenRevoked(at=self.ledger.now(), nonce=nonce),))

    def carry_out(self, kind: str, nonce: str, log: str) -> bool:
        """Do what another process asks of a token whose log this one owns; false when it asks for nothing known."""
        if kind == "revoke":
            self.revoke_here(nonce, log)
        return kind == "revoke"

    async def _parent(self, token: Bearer | None, act: str) -> tuple[str, TokenRecord] | None:
        """Nonce and record of the token that a new one is narrowed from."""
        if token is None:
            return None
        office = self.dispatcher.tokens
        await self.admit(token, act)
        nonce = office.nonce(token)
        record = office.record(nonce)
        line = office.line(nonce)
        if line.depth >= self.ledger.limits.token_depth:
            raise LimitExceeded("token_depth", self.ledger.limits.token_depth, where="attenuate")
        left = [limited.uses_left for _, limited in line.limited if limited.uses_left is not None]
        return nonce, TokenRecord(
            role=record.role,
            agent_id=record.agent_id,
            expire_at=record.expire_at,
            scopes=record.scopes,
            uses_left=min(left, default=None),
        )

    async def _mint(
        self,
        principal: str,
        role: Role,
        scopes: tuple[str, ...],
        expire_at: int,
        max_uses: int | None,
        *,
        label: str | None,
        parent: tuple[str, TokenRecord] | None,
    ) -> Minted:
        if not values.check_text(principal, "principal", 256):
            raise BadValue("a token needs a principal", where="principal")
        if label is not None:
            values.check_text(label, "label", 256)
        now = self.ledger.now()
        session_id = new_id("S-")
        minted = ev.TokenMinted(
            at=now,
            session_id=session_id,
            nonce=new_nonce(),
            principal=principal,
            role=role,
            expire_at=expire_at,
            scopes=scopes,
            max_uses=uses_of(max_uses, parent[1] if parent else None),
            parent=parent[0] if parent else None,
            label=label,
        )
        log = f"session:{session_id}"
        await self.dispatcher.tokens.logs.begin(log)
        self.ledger.commit(log, (minted,))
        text = self.dispatcher.tokens.issue(minted.nonce, now)
        await self.ledger.flushed()
        return Minted(
            id=token_id(minted.nonce),
            principal=principal,
            role=role,
            scopes=scopes,
            expire_at=expire_at,
            max_uses=minted.max_uses,
            text=text,
        )

    async def _named(self, which: str) -> tuple[str, str]:
        """Nonce and log of the one token that is called so."""
        if len(which) < MIN_PREFIX:
            raise TokenNotFound(
                f"{which!r} names no token",
                fix=f"give its id, or {MIN_PREFIX} characters or more of its nonce",
            )
        await self.ledger.flushed()
        found = [
            (entry.key, entry.log)
            async for entry in entries(self.ledger.journal, "issued")
            if token_id(entry.key) == which or entry.key.startswith(which)
        ]
        if len(found) != 1:
            how_many = "no token" if not found else f"{len(found)} tokens"
            # Anything else that was given may be a secret, pasted by mistake.
            called = which if TOKEN_ID.fullmatch(which) else "so"
            raise TokenNotFound(f"{how_many} called {called}", fix="skep token list shows their ids")
        return found[0]

    async def _ask_owner(self, kind: str, nonce: str, log: str) -> None:
        """Leave the request in the log's inbox and wait until the directory says that it was carried out."""
        journal, logs = self.ledger.journal, self.dispatcher.tokens.logs
        await journal.send(log, {"kind": kind, "nonce": nonce})
        until = asyncio.get_running_loop().time() + REQUEST_SECONDS
        watch = journal.watch()
        while asyncio.get_running_loop().time() < until:
            if await watch.changed() and await self._has_ended(kind, nonce):
                return
            if await logs.own(log):
                self.carry_out(kind, nonce, log)
                await self.ledger.flushed()
                return
            await asyncio.sleep(LOOK_SECONDS)
        raise EngineError(
            "the process that owns the token has not ended it yet", fix="it will when it reads its inbox"
        )

    async def _has_ended(self, kind: str, nonce: str) -> bool:
        journal = self.ledger.journal
        if kind == "revoke":
            return await journal.find("revoked", nonce) is not None
        return await journal.find("token", nonce) is None


def end_of(now: int, ttl: float | None, parent: TokenRecord | None) -> int:
    """When a new token ends: never after the one that it is narrowed from."""
    latest = parent.expire_at if parent is not None else None
    if ttl is None:
        asked = now + int(DEFAULT_TTL * 1000)
        return asked if latest is None else min(asked, latest)
    if not 0 < ttl <= MAX_TTL:
        raise LimitExceeded("ttl", MAX_TTL, where="ttl", fix="give seconds above 0")
    end = now + max(1, int(ttl * 1000))
    if latest is not None and end > latest:
        raise ScopeWidened(
            "it would outlive the token that it comes from", fix=f"that one lives {(latest - now) // 1000} s"
        )
    return end


def uses_of(max_uses: int | None, parent: TokenRecord | None) -> int | None:
    left = parent.uses_left if parent is not None else None
    if max_uses is None:
        return left
    if type(max_uses) is not int or not 0 < max_uses <= MAX_USES:
        raise LimitExceeded("max_uses", MAX_USES, where="max_uses", fix="give a whole number above 0")
    if left is not None and max_uses > left:
        raise ScopeWidened(
            "it would have more uses than the token that it comes from", fix=f"that one has {left}"
        )
    return max_uses
