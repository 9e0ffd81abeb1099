"""Capability tokens: canonical signed bytes, and the record that the engine keeps of each (DESIGN section 5).

The record decides uses and revocation, the signature only who made the token. The signing input is the JSON
array of the key id and the claims in their published order, so no field can run into the next one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from msgspec import DecodeError, Struct, json, structs

from skep.core.roles import Role
from skep.errors import BadSignature

MAX_TOKEN_CHARS = 8_192
HANDLE_PREFIX = "wh-"
HANDLE_CHARS = len(HANDLE_PREFIX) + 32


class CapToken(Struct, frozen=True):
    """A signed capability. Times are unix seconds; `max_uses` null means unlimited."""

    agent_id: str
    role: Role
    scopes: tuple[str, ...]
    issued_at: int
    expire_at: int
    max_uses: int | None
    nonce: str
    key_id: str = ""
    sig_hex: str = ""

    def __repr__(self) -> str:
        return f"CapToken(agent_id={self.agent_id!r}, role={self.role!r}, nonce=***)"


class TokenRecord(Struct, kw_only=True):
    """The engine's side of a token, keyed by its nonce. `expire_at` is in milliseconds.

    `parent` is the nonce of the token that this one was narrowed from: what ends that one ends this one, and a
    use of this one is a use of it.
    """

    role: Role
    agent_id: str
    expire_at: int
    task_id: str | None = None
    run_id: str | None = None
    session_id: str | None = None
    scopes: tuple[str, ...] = ("*",)
    uses_left: int | None = None
    revoked: bool = False
    detached: bool = False
    """Its session was detached: the token has ended, the work goes on."""
    parent: str | None = None


_decoder = json.Decoder(CapToken)


def sign(token: CapToken, keys: Mapping[str, bytes], key_id: str) -> CapToken:
    """The token with its signature by `keys[key_id]`."""
    unsigned = structs.replace(token, key_id=key_id)
    return structs.replace(unsigned, sig_hex=_mac(unsigned, keys[key_id]))


def check_signature(token: CapToken, keys: Mapping[str, bytes]) -> None:
    """Raises `BadSignature` unless a key that we know made it; compares in constant time."""
    key = keys.get(token.key_id)
    if key is None or not hmac.compare_digest(_mac(token, key).encode(), token.sig_hex.encode()):
        raise BadSignature("token signature invalid")


def encode_token(token: CapToken) -> str:
    """URL-safe base64 without padding of the compact JSON (the published transport)."""
    return base64.urlsafe_b64encode(json.encode(token)).rstrip(b"=").decode("ascii")


def decode_token(text: str) -> CapToken:
    """Parse the transport form, of which each token has exactly one; the signature is not checked here.

    Raises:
        BadSignature: not a token at all, or not written the way `encode_token` writes it.
    """
    if len(text) > MAX_TOKEN_CHARS:
        raise BadSignature(f"token longer than {MAX_TOKEN_CHARS} characters")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        token = _decoder.decode(data)
    except (binascii.Error, DecodeError, ValueError) as error:
        # The bytes of a damaged token are still most of a secret: nothing of them is shown.
        raise BadSignature("not a token") from error
    if encode_token(token) != text:
        raise BadSignature("not the form in which tokens are written")
    return token


def token_id(nonce: str) -> str:
    """What a token is called in lists and commands: 8 hex digits that are no part of it.

    >>> token_id("0" * 32)
    '84e0c0ea'
    """
    return hashlib.sha256(nonce.encode()).hexdigest()[:8]


def is_handle(text: str) -> bool:
    """Whether `text` has the shape of a worker's handle, and is none of a token: `wh-` and 32 characters."""
    return len(text) == HANDLE_CHARS and text.startswith(HANDLE_PREFIX) and text.isascii()


def handle_digest(handle: str) -> str:
    """What the journal knows a handle by: its SHA-256, in hex."""
    return hashlib.sha256(handle.encode()).hexdigest()


def _mac(token: CapToken, key: bytes) -> str:
    claims = (
        token.key_id,
        token.agent_id,
        token.role,
        token.scopes,
        token.issued_at,
        token.expire_at,
        token.max_uses,
        token.nonce,
    )
    return hmac.digest(key, json.encode(claims), "sha256").hex()
