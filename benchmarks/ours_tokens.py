"""One `verify_token`, in each form that a token has, beside a bare HMAC of the same bytes.

`grant` is the form inside the process, `wire` the text on the hot path (seen before), `first` a text seen for the
first time, `handle` that of a worker that pulls, `narrowed` one that was narrowed three times, with scopes.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import sys
import time
from collections.abc import Callable

from probe import report, require

from skep import Engine
from skep.core import events as ev
from skep.core.tokens import handle_digest
from skep.ids import new_nonce

KEY = secrets.token_bytes(32)


def us_per_call(call: Callable[[], object], count: int) -> float:
    for _ in range(count // 10):
        call()
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count * 1e6


async def run(count: int) -> None:
    async with Engine.open("memory:") as engine:

        @engine.agent("agent")
        async def agent(n: int) -> int:
            return n

        office = engine.dispatcher.tokens
        text = (await engine.mint_token("somebody", "operator")).text
        narrow = text
        for scopes in (["agent:agent"], ["verb:poll_task"], []):
            narrow = (await engine.attenuate(narrow, scopes=scopes)).text
        task_id = await engine.start_task(text, "agent", 1)
        handle, log = "wh-" + secrets.token_hex(16), engine.ledger.state.tasks[task_id].log
        digest, nonce = handle_digest(handle), new_nonce()
        started = ev.TaskAttemptStarted(
            at=engine.ledger.now(), task_id=task_id, attempt=1, nonce=nonce, handle=digest
        )
        engine.ledger.commit(log, (started,))
        grant = office.grant(office.nonce(text))
        for bearer in (grant, text, handle, narrow):
            found = engine.verify_token(bearer, "poll_task", task_id)
            require(found.task_id in (None, task_id), "the record is another's")

        def first() -> None:
            office.forget_verified()
            engine.verify_token(text, "poll_task", task_id)

        report(
            grant_us=us_per_call(lambda: engine.verify_token(grant, "poll_task", task_id), count),
            wire_us=us_per_call(lambda: engine.verify_token(text, "poll_task", task_id), count),
            first_us=us_per_call(first, count // 5),
            handle_us=us_per_call(lambda: engine.verify_token(handle, "poll_task", task_id), count),
            narrowed_us=us_per_call(lambda: engine.verify_token(narrow, "poll_task", task_id), count),
            hmac_us=us_per_call(lambda: hmac.digest(KEY, text.encode(), "sha256"), count),
        )


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1])))
