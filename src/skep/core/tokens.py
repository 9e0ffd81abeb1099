"""Capability tokens: canonical signed bytes, and the record that the engine keeps of each (DESIGN section 5).

The record decides uses and revocation, the signature only who made the token. What is signed are the bytes of the
compact JSON up to the signature, its last member: so no field can run into the next one, and of one token there is
one text.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping

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
_END = b'"}'
"""What follows the signature in a token's JSON."""
_TAIL = 64 + len(_END)
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")


def sign(token: CapToken, keys: Mapping[str, bytes], key_id: str) -> CapToken:
    """The token with its signature by `keys[key_id]`."""
    unsigned = structs.replace(token, key_id=key_id, sig_hex="")
    head = json.encode(unsigned).removesuffix(_END)
    return structs.replace(unsigned, sig_hex=_mac(head, keys[key_id]))


def encode_token(token: CapToken) -> str:
    """URL-safe base64 without padding of the compact JSON (the published transport)."""
    return _to_text(json.encode(token))


def decode_token(text: str) -> CapToken:
    """Parse the transport form; whether it is one that we made is not checked here.

    Raises:
        BadSignature: not a token at all.
    """
    return _parse(text)[0]


def open_token(text: str, key_of: Callable[[str], bytes]) -> CapToken:
    """The token that `text` is, if a key of ours made just this text; compares in constant time.

    Args:
        text: the transport form.
        key_of: gives the key of an id, and raises when it knows none.

    Raises:
        BadSignature: not a token, or not one that this key made.
    """
    token, data = _parse(text)
    signature = _mac(data[:-_TAIL], key_of(token.key_id)).encode() + _END
    if not hmac.compare_digest(signature, data[-_TAIL:]):
        raise BadSignature("token signature invalid")
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


def _parse(text: str) -> tuple[CapToken, bytes]:
    """A token and its JSON, of which `text` is the one spelling."""
    if len(text) > MAX_TOKEN_CHARS:
        raise BadSignature(f"token longer than {MAX_TOKEN_CHARS} characters")
    try:
        data = binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"==")
        token = _decoder.decode(data)
    except (binascii.Error, DecodeError, ValueError) as error:
        # The bytes of a damaged token are still most of a secret: nothing of them is shown.
        raise BadSignature("not a token") from error
    if _to_text(data) != text:
        raise BadSignature("not the form in which tokens are written")
    return token, data


def _to_text(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def _mac(data: bytes, key: bytes) -> str:
    return hmac.digest(key, data, "sha256").hex()
