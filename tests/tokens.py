"""What the tests of tokens share: an engine, forged texts, attempts begun by hand."""

from __future__ import annotations

import secrets

from msgspec import structs

from skep import Engine
from skep.core import events as ev
from skep.core.tokens import decode_token, encode_token, handle_digest
from skep.ids import new_nonce
from skep.testing.aio import run

HOUR = 3_600_000


def with_engine(test, **options):
    async def main():
        async with Engine.open("memory:", **options) as engine:
            return await test(engine, engine.dispatcher.tokens)

    return run(main())


def forged(text, **claims):
    """The same token with other claims, signed by nobody."""
    return encode_token(structs.replace(decode_token(text), **claims))


async def attempt(engine, token, deadline=None):
    """A task whose attempt was started by hand, its nonce and its handle."""
    task_id = await engine.start_task(token, "echo", 1)
    nonce, handle = new_nonce(), "wh-" + secrets.token_hex(16)
    started = ev.TaskAttemptStarted(
        at=engine.ledger.now(),
        task_id=task_id,
        attempt=1,
        nonce=nonce,
        handle=handle_digest(handle),
        deadline=deadline,
    )
    engine.ledger.commit(engine.ledger.state.tasks[task_id].log, (started,))
    return task_id, nonce, handle
