from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from skep.core.authority import PLAIN, check_role
from skep.core.roles import (
    OBSERVER_VERBS,
    OPERATOR_VERBS,
    PUBLISHED_GATE,
    SENIOR_VERBS,
    WORKER_LEAF_VERBS,
    WORKER_SWARM_VERBS,
)
from skep.core.tokens import (
    CapToken,
    decode_token,
    encode_token,
    handle_digest,
    is_handle,
    open_token,
    sign,
    token_id,
)
from skep.errors import BadSignature, RoleViolation

KEYS = {"k1": b"secret one", "k2": b"secret two"}


def key_of(key_id):
    if key_id not in KEYS:
        raise BadSignature("unknown key")
    return KEYS[key_id]


tokens = st.builds(
    CapToken,
    agent_id=st.text(max_size=20),
    role=st.sampled_from(sorted(PUBLISHED_GATE)),
    scopes=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    issued_at=st.integers(0, 2**40),
    expire_at=st.integers(0, 2**40),
    max_uses=st.none() | st.integers(0, 9),
    nonce=st.text("0123456789abcdef", min_size=32, max_size=32),
)


@given(tokens)
def test_a_signed_token_survives_its_transport(token):
    signed = sign(token, KEYS, "k2")
    text = encode_token(signed)
    assert decode_token(text) == open_token(text, key_of) == signed


@given(tokens, st.text(max_size=8))
def test_any_changed_claim_breaks_the_signature(token, text):
    signed = sign(token, KEYS, "k1")
    changes = [
        {"agent_id": token.agent_id + text + "x"},
        {"scopes": (*token.scopes, text)},
        {"expire_at": token.expire_at + 1},
        {"max_uses": 10},
        {"key_id": "k2"},
        {"nonce": "0" * 31 + ("1" if token.nonce.endswith("0") else "0")},
    ]
    for change in changes:
        forged = structs.replace(signed, **change)
        if forged == signed:
            continue
        with pytest.raises(BadSignature):
            open_token(encode_token(forged), key_of)


def test_text_cannot_move_from_one_claim_to_the_next():
    one = CapToken("a|b", "worker", ("c",), 1, 2, None, "n")
    two = CapToken("a", "worker", ("b|c",), 1, 2, None, "n")
    assert sign(one, KEYS, "k1").sig_hex != sign(two, KEYS, "k1").sig_hex


@pytest.mark.parametrize("text", ["", "!", "AAAA", "eyJ9", "a" * 10_000, "\N{SNOWMAN}"])
def test_what_is_no_token_is_refused_as_such(text):
    with pytest.raises(BadSignature):
        decode_token(text)


def test_a_token_does_not_print_its_secret():
    token = sign(CapToken("a", "worker", (), 1, 2, None, "feedbeef"), KEYS, "k1")
    assert token.sig_hex not in repr(token)
    assert "feedbeef" not in repr(token)


def test_the_published_matrix():
    every = OPERATOR_VERBS | WORKER_LEAF_VERBS | WORKER_SWARM_VERBS | OBSERVER_VERBS | SENIOR_VERBS
    assert len(every) == 24
    assert (len(OPERATOR_VERBS), len(WORKER_LEAF_VERBS), len(WORKER_SWARM_VERBS)) == (12, 5, 5)
    for role, allowed in PUBLISHED_GATE.items():
        for verb in every:
            if verb in allowed:
                check_role(PLAIN[verb], role)
            else:
                with pytest.raises(RoleViolation, match=f"role={role} verb={verb}"):
                    check_role(PLAIN[verb], role)


def test_an_unknown_role_may_nothing():
    with pytest.raises(RoleViolation):
        check_role(PLAIN["start_task"], "root")


TEXT = encode_token(
    sign(CapToken("an ~agent\N{SNOWMAN}", "worker", ("*",), 1, 2, None, "ab" * 16), KEYS, "k1")
)
BODY = base64.urlsafe_b64decode(TEXT + "=" * (-len(TEXT) % 4))
CLAIMS = json.loads(BODY)


def transport(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "other",
    [
        TEXT + "=" * (-len(TEXT) % 4),
        TEXT + "\n",
        " " + TEXT,
        TEXT.replace("-", "+").replace("_", "/") + "=",
        transport(json.dumps(CLAIMS).encode()),
        transport(json.dumps(CLAIMS, separators=(",", ":")).encode()),
        transport(json.dumps(dict(reversed(CLAIMS.items())), separators=(",", ":")).encode()),
        transport(json.dumps(CLAIMS | {"extra": 1}, separators=(",", ":"), ensure_ascii=False).encode()),
        transport(BODY[:-1] + b',"sig_hex":"00"}'),
        transport(BODY + b" "),
        transport(BODY.replace(b'"max_uses":null', b'"max_uses":0')),
        TEXT[:-1],
        TEXT[:-4],
        TEXT[:-1] + chr(ord(TEXT[-1]) + 1),
    ],
)
def test_a_token_has_exactly_one_text(other):
    with pytest.raises(BadSignature):
        open_token(other, key_of)


@given(st.integers(0, len(TEXT) - 1), st.sampled_from("Aa0_-=+ /\n\xe9"))
def test_no_character_of_a_token_can_be_another(at, character):
    other = TEXT[:at] + character + TEXT[at + 1 :]
    if other == TEXT:
        return
    with pytest.raises(BadSignature):
        open_token(other, key_of)


def test_a_refusal_shows_nothing_of_the_token():
    damaged = transport(BODY.replace(b'"role":"worker"', b'"role":"SECRET"'))
    with pytest.raises(BadSignature) as refused:
        decode_token(damaged)
    assert "SECRET" not in str(refused.value)


def test_a_signature_that_is_no_ascii_is_a_bad_one():
    forged = structs.replace(
        sign(CapToken("a", "worker", (), 1, 2, None, "n"), KEYS, "k1"), sig_hex="\xe9" * 64
    )
    with pytest.raises(BadSignature):
        open_token(encode_token(forged), key_of)


def test_what_a_token_is_called_says_nothing_of_it():
    assert token_id("ab" * 16) not in TEXT
    assert len(token_id("ab" * 16)) == 8


def test_the_shape_of_a_handle():
    handle = "wh-" + "0" * 32
    assert is_handle(handle)
    assert not is_handle(handle + "0")
    assert not is_handle("wh-" + "\udcff" * 32), "what a shell makes of bytes that are no text"
    assert not is_handle(TEXT)
    assert len(handle_digest(handle)) == 64
