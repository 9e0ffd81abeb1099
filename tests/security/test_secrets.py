"""R-secret: whatever was handed out is looked for in everything that is kept or shown."""

from __future__ import annotations

import json
import logging
import secrets

import msgspec
import pytest

from engines import blueprint, step
from skep import Engine
from skep.core import events as ev
from skep.core.tokens import decode_token, handle_digest
from skep.errors import SkepError
from skep.ids import new_nonce
from skep.testing.aio import run


class Handed:
    """Every secret that left the engine, and the nonces, which the journal may hold and nothing else."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        self.nonces: set[str] = set()

    def token(self, text: str) -> str:
        token = decode_token(text)
        self.secrets |= {text, token.sig_hex, text[:40]}
        self.nonces.add(token.nonce)
        return text

    def keys(self, ring) -> None:
        for key in ring.keys.values():
            self.secrets |= {key.hex(), msgspec.json.encode(key).decode().strip('"')}


async def everything(engine, handed):
    """A bit of all that hands out secrets or is refused because of them; returns what was shown meanwhile."""
    office = engine.dispatcher.tokens
    shown: list[object] = []
    seen: list[str] = []

    @engine.agent("tells")
    async def tells(inv):
        seen.append(handed.token(inv.token))
        inv.progress("working", "on it")
        return {"n": inv.input}

    @engine.agent("fails")
    async def fails(inv):
        seen.append(handed.token(inv.token))
        raise ValueError("no luck")

    owner = handed.token((await engine.mint_token("owner", "operator", max_uses=9)).text)
    narrow = await engine.attenuate(owner, scopes=["run:a"])
    handed.token(narrow.text)
    operator = handed.token(await engine.attach("op", "operator"))
    for agent in ("tells", "fails"):
        handle = await engine.start(blueprint(step(agent)), {"n": 1})
        await refused(shown, handle.result())
        shown += [event async for event in engine.run_events(handle.id)]
    task_id = await engine.start_task(operator, "tells", 7)
    pulled = "wh-" + secrets.token_hex(16)
    handed.secrets |= {pulled, pulled.removeprefix("wh-")}
    nonce = new_nonce()
    handed.nonces.add(nonce)
    log = engine.ledger.state.tasks[task_id].log
    started = ev.TaskAttemptStarted(
        at=engine.ledger.now(), task_id=task_id, attempt=1, nonce=nonce, handle=handle_digest(pulled)
    )
    engine.ledger.commit(log, (started,))
    office.check(pulled, "fetch_prompt", task_id)
    handed.token(office.issue(nonce, 0))
    for bearer in (pulled, owner, narrow.text, office.grant(nonce), seen[0]):
        shown.append(repr(bearer) if not isinstance(bearer, str) else "")
        for act in ("mark_pass", "poll_task", "rotate_keys"):
            await refused(shown, admit(engine, bearer, act))
        await refused(
            shown, admit(engine, bearer[:-1] + "A" if isinstance(bearer, str) else None, "poll_task")
        )
    shown += await engine.list_tokens()
    await engine.revoke(narrow.id)
    await engine.rotate_keys()
    handed.keys(office.ring)
    shown += [
        repr(narrow),
        repr(office.ring),
        repr(office),
        repr(engine.ledger.state.tokens and decode_token(owner)),
    ]
    shown += [engine.stats(), await engine.list_runs(), await engine.list_questions()]
    await engine.ledger.flushed()
    return shown


async def admit(engine, bearer, act):
    return engine.dispatcher.tokens.check(bearer, act).agent_id


async def refused(shown, act):
    try:
        shown.append(await act)
    except SkepError as error:
        shown += [str(error), error.to_dict(), repr(error)]


@pytest.fixture
def told(tmp_path, caplog):
    """What was handed out, what was shown, what was logged, and what lies on the disk."""
    caplog.set_level(logging.DEBUG)
    handed = Handed()

    async def main():
        async with Engine.open(f"sqlite:///{tmp_path}/store.db", home=tmp_path / "home") as engine:
            handed.keys(engine.dispatcher.tokens.ring)
            shown = await everything(engine, handed)
            return shown, on_disk(tmp_path)

    shown, while_open = run(main())
    return handed, shown, caplog.text, {**while_open, **on_disk(tmp_path)}


def on_disk(place):
    """The files of the store, not the home's key ring; the write-ahead log too, while there is one."""
    found = {
        path: path.read_bytes() for path in place.rglob("*") if path.is_file() and "home" not in path.parts
    }
    assert found
    return found


def test_no_secret_is_kept_or_shown(told):
    handed, shown, logged, files = told
    assert len(handed.secrets) > 15
    assert any(path.name.endswith("-wal") for path in files)
    exported = json.dumps(msgspec.to_builtins(shown, enc_hook=repr)) + repr(shown) + logged
    for secret in handed.secrets:
        assert secret not in exported
        for path, data in files.items():
            assert secret.encode() not in data, path


def test_nonces_stand_in_the_journal_only(told):
    handed, shown, logged, files = told
    kept = b"".join(files.values())
    exported = json.dumps(msgspec.to_builtins(shown, enc_hook=repr)) + repr(shown) + logged
    for nonce in handed.nonces:
        assert nonce.encode() in kept
        assert nonce not in exported
