"""`kill -9` of a run that asks, waits and listens, at every commit, while other processes answer through the store."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from asker import LANES, SUSPENDED

from skep import Engine
from skep.engine.inbox import elsewhere
from skep.errors import InvalidTransition, QuestionClosed
from skep.testing.aio import run

ASKER = Path(__file__).with_name("asker.py")
KILLS = 2
SIGNALS = (1, 2)
QUESTIONS = ["really? 1", "really? 2", "ship it? 1", *(f"{lane} 1" for lane in LANES)]
RESULT = {
    "begin": "begun",
    "twice": ["to really? 1", "to really? 2"],
    "ship": "to ship it? 1",
    "lanes": [f"to {lane} 1" for lane in LANES],
    "first": 1,
    "second": 2,
    "end": "ended",
}


@pytest.fixture(scope="module")
def asker():
    command = [sys.executable, str(ASKER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:

        def perform(**arguments):
            program.stdin.write(json.dumps(arguments) + "\n")
            program.stdin.flush()
            return int(program.stdout.readline())

        yield perform
        program.stdin.close()


class Outside:
    """Whoever answers, from another process: each question and each signal once, as far as it was acknowledged."""

    def __init__(self, engine):
        self.engine = engine
        self.acknowledged = {}
        self.acted = set()
        self.sent = 0

    async def run_id(self):
        runs = await self.engine.list_runs()
        return runs[0].run_id if runs else None

    async def is_done(self):
        runs = await self.engine.list_runs()
        return bool(runs) and runs[0].status == "done"

    async def events(self):
        run_id = await self.run_id()
        return [event async for event in self.engine.run_events(run_id)] if run_id else []

    async def answer_all(self):
        for question in await self.engine.list_questions():
            assert question.key not in self.acted, "an answer was acknowledged, yet its question is open"
            if question.key in self.acknowledged:
                continue
            value = f"to {question.question} {2 if question.key.endswith('-2') else 1}"
            try:
                delivered = await self.engine.resume(None, question.key, value)
            except QuestionClosed:  # the answer that was not acknowledged has come all the same
                continue
            self.acknowledged[question.key] = value
            if delivered.acted:
                self.acted.add(question.key)

    async def signal_all(self):
        run_id = await self.run_id()
        while run_id is not None and self.sent < len(SIGNALS):
            try:
                await self.engine.signal(None, run_id, "go", SIGNALS[self.sent])
            except InvalidTransition:
                return
            self.sent += 1

    async def until(self, victim):
        """Answer while the victim lives."""
        while not victim.done():
            await self.signal_all()
            await self.answer_all()
            await asyncio.sleep(0.003)


def passed(events):
    keys = {event["task_id"]: event["step_key"] for event in events if event["kind"] == "task_created"}
    return {keys[event["task_id"]] for event in events if event["kind"] == "task_pass"}


def performed(effects):
    return Counter(effects.read_text().split()) if effects.exists() else Counter()


async def to_the_end(asker, store, durability, kill, *, alive):
    """Kill the first processes at their n-th commit, let the others go on; whether the first one was killed."""
    url, effects, statuses = f"sqlite:///{store}", store.with_suffix(".effects"), []
    async with Engine.open(url, recover="none") as engine:
        outside = Outside(engine)
        while not await outside.is_done():
            assert len(statuses) < 20, statuses
            durable, before = passed(await outside.events()), performed(effects)
            armed = kill if statuses.count(-signal.SIGKILL) < KILLS else None
            arguments = {"store": url, "effects": str(effects), "durability": durability}
            victim = asyncio.create_task(asyncio.to_thread(asker, **arguments, kill=armed, leave=not alive))
            if alive:
                await outside.until(victim)
            statuses.append(await victim)
            assert statuses[-1] in {0, SUSPENDED, -signal.SIGKILL}
            again = durable & set(performed(effects) - before)
            assert not again, "a step ran again although its completion was durable"
            if not alive:
                await outside.signal_all()
                await outside.answer_all()
        check(await outside.events(), outside)
        assert (await engine.get_run(await outside.run_id())).result == RESULT
        assert await engine.list_questions() == []
    return statuses[0] == -signal.SIGKILL


def check(events, outside):
    asked = [event for event in events if event["kind"] in {"senior_queried", "question_asked"}]
    assert len({event["key"] for event in asked}) == len(asked)
    line = [(event.get("task_id"), event.get("step_key"), event["digest"]) for event in asked]
    assert sorted(Counter(line).values()) == [1, 1, 1, 1, 2], "a question was recorded again"
    answered = [event for event in events if event["kind"] in {"senior_answered", "question_answered"}]
    values = {event["key"]: event["answer"] for event in answered}
    assert len(values) == len(answered) == len(asked)
    assert outside.acknowledged.items() <= values.items()
    assert [event["value"] for event in events if event["kind"] == "signal_received"] == list(SIGNALS)
    kinds = Counter(event["kind"] for event in events)
    assert kinds["timer_started"] == kinds["timer_fired"] == 1
    assert kinds["task_pass"] == len(passed(events)) == 3


@pytest.mark.parametrize("durability", ["group", "step"])
@pytest.mark.parametrize("where", ["append", "durable"])
def test_no_question_and_no_answer_is_lost_or_doubled(tmp_path, asker, durability, where, monkeypatch):
    monkeypatch.setattr(elsewhere, "POLL_SECONDS", 0.005)
    number, killed = 0, True
    while killed:
        number += 1
        alive = number % 2 == 1
        store = tmp_path / f"{number}.db"
        killed = run(to_the_end(asker, store, durability, (where, number), alive=alive)) or not alive
    assert number > 8
