from __future__ import annotations

import asyncio
import logging

from skep.testing.aio import in_loop
from skep.workers.base import CancelToken


def test_callbacks_run_once_in_order_with_the_first_reason():
    token, heard = CancelToken(), []
    token.on_cancel(lambda reason: heard.append(("a", reason)))
    token.on_cancel(lambda reason: heard.append(("b", reason)))
    assert not token.cancelled
    token.cancel("first")
    token.cancel("second")
    assert heard == [("a", "first"), ("b", "first")]
    assert (token.cancelled, token.reason) == (True, "first")


def test_a_late_listener_hears_at_once():
    token, heard = CancelToken(), []
    token.cancel("gone")
    token.on_cancel(heard.append)
    assert heard == ["gone"]


def test_a_listener_that_raises_is_logged_and_stops_no_other(caplog):
    token, heard = CancelToken(), []
    token.on_cancel(lambda _: 1 / 0)
    token.on_cancel(heard.append)
    with caplog.at_level(logging.ERROR, "skep.workers"):
        token.cancel("go")
        token.on_cancel(lambda _: 1 / 0)
    assert heard == ["go"]
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError] * 2


def test_a_listener_may_cancel_again_and_listen():
    token, heard = CancelToken(), []

    def listen(_reason):
        token.cancel("again")
        token.on_cancel(heard.append)

    token.on_cancel(listen)
    token.cancel("once")
    assert heard == ["once"]


@in_loop
async def test_wait_returns_the_reason_to_everyone():
    token = CancelToken()
    waiting = [asyncio.ensure_future(token.wait()) for _ in range(2)]
    gone = asyncio.ensure_future(token.wait())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    token.cancel("now")
    assert await asyncio.gather(*waiting) == ["now", "now"]
    assert await token.wait() == "now"
