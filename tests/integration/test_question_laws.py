"""Whatever happens to its questions, each asker gets its own answers, and the directory lists what is open."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from engines import blueprint, lit, path, step
from skep import Engine
from skep.errors import AnswerTimeout
from skep.journal.memory import MemoryJournal
from skep.limits import Limits
from skep.testing.aio import run
from skep.testing.clock import FakeClock

TURNS = 3
ASKERS = 4


def lanes(count):
    """Each lane's asker may fail on its own."""
    attempt = {
        "kind": "try",
        "body": step("asker", "$.item", "$.answer", id="ask"),
        "catch": {"kind": "let", "at": path("$.answer"), "value": lit("gone")},
    }
    return blueprint(
        {
            "kind": "fanout",
            "items": lit(list(range(count))),
            "bind": path("$.item"),
            "body": attempt,
            "join": "all",
            "select": path("$.answer"),
            "out": path("$.answers"),
        }
    )


def test_an_answer_reaches_its_asker_however_many_others_end_with_it():
    clock, count = FakeClock(), 30

    async def main():
        async with Engine.open("memory:", clock=clock, limits=Limits(ended_questions=3)) as engine:

            @engine.agent("asker")
            async def asker(inv):
                try:
                    return await inv.ask(inv.input, deadline=60, **({"default": -1} if inv.input % 2 else {}))
                except AnswerTimeout:
                    return "late"

            handle = await engine.start(lanes(count))
            await handle.until_suspended()
            odd = [one.key for one in await engine.list_questions() if one.question % 2]
            others = [asyncio.create_task(engine.await_resume(None, key, 90)) for key in odd]
            await asyncio.sleep(0)
            clock.advance(60_000)
            return (await handle.result())["answers"], await asyncio.gather(*others)

    heard, overheard = run(main())
    assert heard == [-1 if number % 2 else "late" for number in range(count)]
    assert set(overheard) == {-1}


class Askers:
    """Engines, one after the other, on one store; what was answered, and what each asker has to hear."""

    def __init__(self):
        self.clock = FakeClock()
        self.journal = MemoryJournal(clock=self.clock)
        self.expected = {}
        self.cancelled = set()
        self.answered = 0

    async def begin(self):
        self.engine = Engine(self.journal, clock=self.clock)
        await self.engine.start_up()
        self.engine.agent("asker")(self.asker)

    async def asker(self, inv):
        heard = []
        for turn in range(TURNS):
            how = ({}, {"deadline": 60}, {"deadline": 60, "default": "none"})[turn]
            try:
                heard.append(await inv.ask([inv.input, turn], **how))
            except AnswerTimeout:
                heard.append("late")
        return heard

    async def start(self):
        await self.begin()
        self.handle = await self.engine.start(lanes(ASKERS))
        await self.check()

    async def check(self):
        """All that can go on has gone on; the directory and the state tell of the same questions."""
        async with asyncio.timeout(10):
            suspended = await self.handle.until_suspended()
        listed = {question.key: question.question for question in await self.engine.list_questions()}
        assert listed.keys() == self.engine.ledger.state.questions.keys()
        assert suspended is bool(listed)
        waiting = dict(listed.values())
        assert len(waiting) == len(listed), "an asker asks one at a time"
        for asker, turn in waiting.items():
            assert turn == len(self.expected.get(asker, ()))
        self.open = listed

    def hear(self, asker, value):
        self.expected.setdefault(asker, []).append(value)

    async def answer(self, which):
        key = sorted(self.open)[which % len(self.open)]
        self.answered += 1
        await self.engine.resume(None, key, self.answered)
        self.hear(self.open[key][0], self.answered)

    async def cancel(self, which):
        key = sorted(self.open)[which % len(self.open)]
        task = self.engine.ledger.state.tasks[self.engine.ledger.state.questions[key].task_id]
        self.engine.drivers[self.handle.id].cancel_task(task)
        self.expected[self.open[key][0]] = "gone"

    async def wait(self, _which):
        """A minute passes: every deadline."""
        for asker, turn in self.open.values():
            if turn:
                self.hear(asker, (None, "late", "none")[turn])
        self.clock.advance(60_000)

    async def restart(self, _which):
        await self.engine.close()
        await self.begin()
        self.handle = await self.engine.resume_run(self.handle.id)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["answer", "answer", "wait", "restart", "cancel"]), st.integers(0, 7)),
        max_size=14,
    )
)
def test_answers_reach_who_asked_through_deadlines_cancels_and_restarts(acts):
    async def main():
        askers = Askers()
        await askers.start()
        for act, which in acts:
            if askers.open:
                await getattr(askers, act)(which)
                await askers.check()
        while askers.open:
            await askers.answer(0)
            await askers.check()
        result = await askers.handle.result()
        await askers.engine.close()
        return result["answers"], [askers.expected[asker] for asker in range(ASKERS)]

    heard, expected = run(main())
    assert heard == expected
