from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from skep.core.roles import (
    OBSERVER_VERBS,
    OPERATOR_VERBS,
    PUBLISHED_GATE,
    SENIOR_VERBS,
    WORKER_LEAF_VERBS,
    WORKER_SWARM_VERBS,
    check_gate,
)
from skep.core.tokens import CapToken, check_signature, decode_token, encode_token, sign
from skep.errors import BadSignature, RoleViolation

KEYS = {"k1": b"secret one", "k2": b"secret two"}

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
    again = decode_token(encode_token(signed))
    check_signature(again, KEYS)
    assert again == signed


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
            check_signature(forged, KEYS)


def test_text_cannot_move_from_one_claim_to_the_next():
    one = CapToken("a|b", "worker", ("c",), 1, 2, None, "n")
    two = CapToken("a", "worker", ("b|c",), 1, 2, None, "n")
    assert sign(one, KEYS, "k1").sig_hex != sign(two, KEYS, "k1").sig_hex


@pytest.mark.parametrize("text", ["", "!", "AAAA", "eyJ9", "a" * 10_000, "\N{SNOWMAN}"])
def test_what_is_no_token_is_refused_as_such(text):
    with pytest.raises(BadSignature):
        decode_token(text)


def test_an_unknown_key_is_a_bad_signature():
    token = sign(CapToken("a", "worker", (), 1, 2, None, "n"), KEYS, "k1")
    with pytest.raises(BadSignature):
        check_signature(token, {"k2": KEYS["k2"]})


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
                check_gate(role, verb)
            else:
                with pytest.raises(RoleViolation, match=f"role={role} verb={verb}"):
                    check_gate(role, verb)


def test_an_unknown_role_may_nothing():
    with pytest.raises(RoleViolation):
        check_gate("root", "start_task")
