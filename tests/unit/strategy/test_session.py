from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

import pytest

from skep.errors import UnknownQuery
from skep.strategy.outcomes import Cancelled, Completed, Failed, NeedsResponse
from skep.strategy.queries import Answer, Error, Query
from skep.strategy.records import MemoryRecord
from skep.strategy.session import StrategySession
from skep.strategy.steps import Asked, Ended, Forked, Raised
from skep.testing import FakeClock
from skep.testing.aio import in_loop


class Acted:
    """A script that a generator plays: it yields prompts or children, gets answers or ends, and returns."""

    def __init__(self, session: StrategySession, play: Any, prefix: str = "q") -> None:
        self._session = session
        self._play: Generator[Any, Any, Any] = play()
        self._prefix = prefix
        self._pauses = 0
        self.closed = False

    async def step(self, given: Any) -> Any:
        await asyncio.sleep(0)
        try:
            wanted = self._play.send(given)
        except StopIteration as stop:
            return Ended(stop.value)
        except RuntimeError as error:
            return Raised(str(error.__cause__ or error))
        if callable(wanted[0]):
            children = [Acted(self._session, play, f"f{n}-") for n, play in enumerate(wanted)]
            return Forked(tuple(children))
        self._pauses += 1
        queries = [
            Query(id=f"{self._prefix}{self._pauses}-{n}", prompt=prompt) for n, prompt in enumerate(wanted)
        ]
        self._session.metrics.asked(queries, 1)
        return Asked(tuple(queries))

    async def close(self) -> None:
        self.closed = True
        self._play.close()


def session_of(play: Any) -> StrategySession:
    return StrategySession("S-1", lambda session: Acted(session, play), MemoryRecord(0), FakeClock())


def two_rounds() -> Generator[Any, Any, Any]:
    first = yield ["a", "b"]
    second = yield ["c"]
    return [reply.text for reply in (*first, *second)]


def ids(outcome: Any) -> list[str]:
    assert isinstance(outcome, NeedsResponse)
    return [query.id for query in outcome.queries]


@in_loop
async def test_answers_in_any_order_come_back_in_the_order_of_issue():
    session = session_of(two_rounds)
    assert ids(await session.next()) == ["q1-0", "q1-1"]
    assert session.phase == "paused"
    assert await session.respond({"q1-1": "B"}) == 1
    assert ids(await session.next()) == ["q1-0"]
    assert await session.respond({"q1-0": Answer("A")}) == 0
    assert ids(await session.next()) == ["q2-0"]
    await session.respond({"q-0": "C"})
    end = await session.next()
    assert isinstance(end, Completed)
    assert end.result == ["A", "B", "C"]
    assert end.stats["auto"]["llm_calls"] == 3
    assert await session.next() == end
    assert session.phase == "completed"


@in_loop
async def test_all_answers_of_a_call_are_taken_or_none():
    session = session_of(two_rounds)
    await session.next()
    with pytest.raises(UnknownQuery):
        await session.respond({"q1-0": "A", "q9-9": "?"})
    with pytest.raises(UnknownQuery, match="two answers"):
        await session.respond({"q1-0": "A", "q-0": "B"})
    assert ids(await session.next()) == ["q1-0", "q1-1"]


@in_loop
async def test_an_ended_session_takes_no_answer_and_stays_readable():
    session = session_of(two_rounds)
    await session.next()
    await session.cancel("enough")
    with pytest.raises(UnknownQuery, match="no pending"):
        await session.respond({"q1-0": "A"})
    end = await session.next()
    assert isinstance(end, Cancelled)
    assert end.reason == "enough"
    await session.cancel()
    assert (await session.next()) == end


@in_loop
async def test_an_evicted_session_runs_again_from_its_record():
    session = session_of(two_rounds)
    await session.next()
    await session.respond({"q1-0": "A"})
    await session.evict()
    assert not session.resident
    assert session.phase == "paused"
    await session.respond({"q1-1": "B"})
    await session.evict()
    assert ids(await session.next()) == ["q2-0"]
    await session.respond({"q2-0": "C"})
    end = await session.next()
    assert isinstance(end, Completed)
    assert end.result == ["A", "B", "C"]
    assert end.stats["auto"]["rounds"] == 2


@in_loop
async def test_a_script_that_raises_has_failed():
    def play() -> Generator[Any, Any, Any]:
        yield ["a"]
        raise RuntimeError from ValueError("no good")

    session = session_of(play)
    await session.next()
    await session.respond({"q1-0": Error("gone")})
    end = await session.next()
    assert isinstance(end, Failed)
    assert "no good" in end.error


def forking() -> Generator[Any, Any, Any]:
    def quick() -> Generator[Any, Any, Any]:
        (reply,) = yield ["quick?"]
        return reply.text

    def slow() -> Generator[Any, Any, Any]:
        texts = []
        for _ in range(3):
            (reply,) = yield ["slow?"]
            texts.append(reply.text)
        return texts

    ends = yield [quick, slow]
    return [end.value for end in ends]


@in_loop
async def test_children_go_on_side_by_side():
    session = session_of(forking)
    assert ids(await session.next()) == ["f0-1-0", "f1-1-0"]
    for turn in range(1, 4):
        await session.respond({f"f1-{turn}-0": str(turn)})
        await session.next()
    assert ids(await session.next()) == ["f0-1-0"]
    await session.respond({"f0-1-0": "Q"})
    end = await session.next()
    assert isinstance(end, Completed)
    assert end.result == ["Q", ["1", "2", "3"]]


@in_loop
async def test_run_asks_every_query_as_soon_as_it_is_there():
    free = asyncio.Event()
    asked = []

    async def answer(query: Query) -> str:
        asked.append(query.id)
        if query.prompt == "quick?":
            await free.wait()
        elif query.id == "f1-3-0":
            free.set()
        return query.id

    end = await session_of(forking).run(answer)
    assert isinstance(end, Completed)
    assert end.result == ["f0-1-0", ["f1-1-0", "f1-2-0", "f1-3-0"]]
    assert asked.count("f0-1-0") == 1


@in_loop
async def test_what_the_answerer_raises_ends_the_session():
    async def answer(_query: Query) -> str:
        raise OSError("no network")

    session = session_of(two_rounds)
    with pytest.raises(OSError, match="no network"):
        await session.run(answer)
    assert session.phase == "cancelled"
    assert not session.resident
