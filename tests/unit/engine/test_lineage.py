from __future__ import annotations

from types import SimpleNamespace

import pytest

from skep.core.state import EngineState
from skep.core.tokens import TokenRecord
from skep.engine.tokens.lineage import Lineage
from skep.errors import LimitExceeded, TokenRevoked
from skep.limits import Limits


def record(**fields):
    return TokenRecord(**{"role": "operator", "agent_id": "p", "expire_at": 1, **fields})


def line_of(nonce, depth=16, **tokens):
    state = EngineState(tokens=tokens)
    ledger = SimpleNamespace(state=state, limits=Limits(token_depth=depth))
    return Lineage(ledger).of(nonce, tokens[nonce])


LAUNCHED = {
    "worker": record(role="worker", task_id="T-1", run_id="run-1", parent="run"),
    "narrow": record(role="worker", session_id="S-2", parent="worker", scopes=("verb:poll_task",)),
    "run": record(run_id="run-1", parent="launcher"),
}


def launched(**launcher):
    return {**LAUNCHED, "launcher": record(session_id="S-1", **launcher)}


@pytest.mark.parametrize("nonce", ["worker", "narrow", "run"])
@pytest.mark.parametrize("fate", [{}, {"detached": True}, {"uses_left": 0}, {"expire_at": 0}])
def test_a_launcher_that_has_left_does_not_stop_its_run(nonce, fate):
    line = line_of(nonce, **launched(**fate))
    assert line.limited == []
    assert line.bound.run_id == "run-1"


@pytest.mark.parametrize("nonce", ["worker", "narrow", "run"])
def test_a_launcher_that_was_revoked_ends_its_runs_authority(nonce):
    with pytest.raises(TokenRevoked):
        line_of(nonce, **launched(revoked=True))


def test_a_launcher_that_nobody_knows_any_more_is_as_one_that_has_left():
    assert line_of("worker", **LAUNCHED).depth == 1


def test_what_launched_the_launcher_matters_too():
    tokens = launched(parent="root") | {"root": record(session_id="S-0", revoked=True)}
    with pytest.raises(TokenRevoked):
        line_of("worker", **tokens)


def test_a_narrower_token_of_a_worker_has_the_workers_task():
    line = line_of("narrow", **launched())
    assert (line.bound.task_id, line.bound.run_id, line.bound.scopes) == ("T-1", "run-1", ("verb:poll_task",))


def test_a_narrower_token_ends_with_the_session_of_the_wider():
    tokens = {
        "child": record(session_id="S-2", parent="session"),
        "session": record(session_id="S-1", detached=True),
    }
    for nonce in tokens:
        with pytest.raises(TokenRevoked, match="detached"):
            line_of(nonce, **tokens)


def test_every_limit_on_the_way_counts():
    tokens = {
        "child": record(session_id="S-3", parent="middle", uses_left=3),
        "middle": record(session_id="S-2", parent="root"),
        "root": record(session_id="S-1", uses_left=1),
    }
    line = line_of("child", **tokens)
    assert [nonce for nonce, _ in line.limited] == ["child", "root"]
    assert line.depth == 2


def test_a_line_without_an_end_is_refused():
    with pytest.raises(LimitExceeded, match="token_depth"):
        line_of("a", a=record(session_id="S-1", parent="b"), b=record(session_id="S-2", parent="a"))
