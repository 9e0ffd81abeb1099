from __future__ import annotations

import asyncio

import pytest

from skep.layers.line import Line
from skep.testing.aio import run
from skep.workers.base import CancelToken


def test_a_turn_is_not_given_to_whoever_was_just_cancelled():
    """Between its cancellation and its next step a task is no longer there to take its turn."""

    async def main():
        given_back = []
        line = Line("layer_waiting", 10, lambda: None)

        def wait(need):
            return asyncio.create_task(line.wait(need, CancelToken(), lambda: given_back.append(need)))

        first, second = wait("first"), wait("second")
        await asyncio.sleep(0)
        first.cancel()
        assert line.first() == "second"
        line.let_in()
        await second
        with pytest.raises(asyncio.CancelledError):
            await first
        assert line.first() is None
        assert not line
        assert given_back == []

    run(main())
