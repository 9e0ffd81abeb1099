"""R-ack, R-stop and recovery: what the engine promises about the journal."""

from __future__ import annotations

import asyncio

import pytest

from engines import Agents, blueprint, chain, lit, path, step
from journals import FailingJournal, HeldJournal
from skep import Engine
from skep.core import events as ev
from skep.engine.runs.recovery import recover
from skep.engine.runs.run import RunDriver
from skep.errors import JournalFailed, LimitExceeded
from skep.host import Engine as HostEngine
from skep.journal.memory import MemoryJournal
from skep.limits import Limits
from skep.testing.aio import run


async def opened(journal, limits=None):
    engine = HostEngine(journal, limits=limits or Limits())
    await engine.start_up()
    return engine


async def settle(times=200):
    """Let everything happen that can happen without the journal."""
    for _ in range(times):
        await asyncio.sleep(0)


def test_in_process_steps_run_ahead_by_at_most_max_ahead():
    async def main():
        journal = HeldJournal()
        engine = await opened(journal)
        agents = Agents(engine)
        start = asyncio.ensure_future(engine.start(blueprint([step("gate"), chain(500)]), {"n": 0}))
        await agents.started.wait()
        handle = await start
        journal.hold()
        agents.release.set()
        await settle(2000)
        ahead = sum(agents.calls.values()) - 1
        assert not handle._driver.finished.done()
        journal.let_go()
        result = await handle.result()
        await engine.close()
        return ahead, result["n"]

    ahead, total = run(main())
    assert ahead <= Limits().max_ahead
    assert ahead >= Limits().max_ahead - 2
    assert total == 500


def test_durability_step_waits_before_every_step():
    async def main():
        journal = HeldJournal()
        engine = await opened(journal)
        agents = Agents(engine)
        start = asyncio.ensure_future(
            engine.start(blueprint([step("gate"), chain(5)]), {"n": 0}, durability="step")
        )
        await agents.started.wait()
        handle = await start
        journal.hold()
        agents.release.set()
        await settle()
        called = sum(agents.calls.values())
        journal.let_go()
        await handle.result()
        await engine.close()
        return called

    assert run(main()) == 1


def test_a_program_does_not_start_before_its_task_is_durable(tmp_path):
    async def main():
        journal = HeldJournal()
        engine = await opened(journal)
        agents = Agents(engine)
        touch = {
            "name": "touch",
            "kind": "subprocess",
            "spec": {"program": "touch", "args": [str(tmp_path / "made")]},
        }
        start = asyncio.ensure_future(
            engine.start(blueprint([step("gate"), step("touch")], agents=[touch]), {})
        )
        await agents.started.wait()
        handle = await start
        journal.hold()
        agents.release.set()
        await settle()
        early = (tmp_path / "made").exists()
        journal.let_go()
        await handle.result()
        await engine.close()
        return early

    assert run(main()) is False
    assert (tmp_path / "made").exists()


def test_nothing_is_told_before_it_is_durable():
    async def main():
        journal = HeldJournal()
        engine = await opened(journal)
        agents = Agents(engine)
        start = asyncio.ensure_future(engine.start(blueprint(step("gate")), {}))
        await agents.started.wait()
        handle = await start
        journal.hold()
        agents.release.set()
        waiting = asyncio.ensure_future(handle.wait())
        await settle()
        told = waiting.done()
        journal.let_go()
        info = await waiting
        await engine.close()
        return told, info.status

    assert run(main()) == (False, "done")


def test_a_failed_commit_stops_the_engine_and_tells_who_waits():
    async def main():
        journal = FailingJournal()
        engine = await opened(journal)
        agents = Agents(engine)
        handle = await engine.start(blueprint([step("hang"), step("echo")]), {})
        await agents.started.wait()
        journal.fail()
        with pytest.raises(JournalFailed, match="disk full"):
            await handle.wait()
        with pytest.raises(JournalFailed):
            await engine.start(blueprint(step("echo")), {})
        await settle()
        assert all(job.cancel.cancelled for job in handle._driver.attempts.jobs.values())
        await engine.close()

    run(main())


def nested():
    """A flow with every join, a loop of equal inputs, a try and a retry."""
    lanes = {
        "kind": "fanout",
        "items": lit([1, 1, 2]),
        "bind": path("$.item"),
        "max_concurrency": 2,
        "body": {"kind": "seq", "children": [step("inc", "$.item", "$.r"), step("flaky", "$.r", "$.r")]},
        "join": "all_settled",
        "select": path("$.r"),
        "out": path("$.lanes"),
    }
    caught = {
        "kind": "try",
        "body": step("boom"),
        "catch": step("inc", lit(1), "$.c"),
        "err_at": path("$.err"),
    }
    either = {
        "kind": "parallel",
        "branches": {"a": step("inc", lit(5), "$.v"), "b": step("hang", lit(0), "$.v")},
        "join": "race",
        "select": path("$.v"),
        "out": path("$.race"),
    }
    return blueprint([chain(3), lanes, caught, either, step("inc", "$.n", "$.n")])


def with_agents(engine):
    agents = Agents(engine)

    @engine.agent("flaky")
    async def flaky(inv):
        agents.calls[inv.idempotency_key] += 1
        if inv.input == 3:
            raise ValueError("three")
        return inv.input * 10

    return agents


def test_recovery_from_every_point_of_the_record_equals_the_unbroken_run():
    """The record is cut after each append in turn; whatever it says is finished is not done again."""
    cuts = []

    async def unbroken():
        journal = MemoryJournal()
        append = journal.append

        def noting(log, version, events, summary=None):
            cuts.append(version + len(events) - 1)
            return append(log, version, events, summary)

        journal.append = noting
        engine = await opened(journal)
        with_agents(engine)
        handle = await engine.start(nested(), {"n": 0})
        info = await handle.wait()
        record = await journal.read(f"run:{handle.id}")
        document = await journal.get_blob(info.blueprint)
        await engine.close()
        return info, [recorded.event for recorded in record], document

    async def resumed(events, document):
        journal = MemoryJournal()
        engine = await opened(journal)
        agents = with_agents(engine)
        log = f"run:{events[0].run_id}"
        await journal.put_blob(document, log=log)
        journal.append(log, 1, events)
        driver = await recover(engine, events[0].run_id)
        info = await driver.finished
        again = [recorded.event for recorded in await journal.read(log)]
        await engine.close()
        return info, agents.calls, again

    info, record, document = run(unbroken())
    assert info.status == "done"
    keys = {
        event.task_id: f"{info.run_id}/{event.step_key}"
        for event in record
        if isinstance(event, ev.TaskCreated)
    }
    assert len(cuts) > 10
    for cut in cuts[:-1]:
        again, calls, events = run(resumed(record[:cut], document))
        settled = {
            keys[event.task_id] for event in record[:cut] if isinstance(event, ev.TaskPass | ev.TaskBlocked)
        }
        delivered = {
            keys[event.task_id]
            for event in record[:cut]
            if isinstance(event, ev.WorkerOutput) and event.task_id in keys
        }
        assert again.result == info.result, f"cut at {cut}"
        assert not (settled | delivered) & set(calls), f"cut at {cut}"
        starts = [event for event in events if isinstance(event, ev.RunStarted)]
        ends = [event for event in events if isinstance(event, ev.RunFinished)]
        assert (len(starts), len(ends)) == (1, 1)


def test_a_closed_engine_leaves_its_run_to_be_resumed(tmp_path):
    url = f"sqlite:///{tmp_path}/skep.db"

    async def first():
        async with Engine.open(url) as engine:
            agents = Agents(engine)
            handle = await engine.start(blueprint([chain(3), step("hang"), chain(2)]), {"n": 0})
            await agents.started.wait()
            return handle.id

    async def second(run_id):
        async with Engine.open(url, recover="none") as engine:
            agents = Agents(engine, without="hang")

            @engine.agent("hang")
            async def hang(inv):
                return {"previous": inv.previous.reason, "attempt": inv.attempt}

            assert (await engine.get_run(run_id)).status == "interrupted"
            handle = await engine.resume_run(run_id)
            return await handle.wait(), agents.calls

    run_id = run(first())
    info, calls = run(second(run_id))
    assert info.status == "done"
    assert info.result["out"] == {"previous": "interrupted", "attempt": 2}
    assert info.result["n"] == 5
    assert sum(calls.values()) == 2


def test_an_interruption_too_many_blocks_the_step(tmp_path, monkeypatch):
    monkeypatch.setattr(RunDriver, "_note_interruptions", lambda _: None)  # the host dies, it does not close
    url = f"sqlite:///{tmp_path}/skep.db"

    async def start(engine):
        return await engine.start(blueprint(step("hang")), {})

    async def life(run_id):
        async with Engine.open(url, recover="none") as engine:
            agents = Agents(engine)
            handle = await (engine.resume_run(run_id) if run_id else start(engine))
            ended = asyncio.ensure_future(handle.wait())
            started = asyncio.ensure_future(agents.started.wait())
            await asyncio.wait({ended, started}, return_when=asyncio.FIRST_COMPLETED)
            started.cancel()
            if ended.done():
                return handle.id, ended.result()
            ended.cancel()
            return handle.id, None

    run_id, info = run(life(None))
    lives = 1
    while info is None:
        run_id, info = run(life(run_id))
        lives += 1
    assert lives == Limits().max_interruptions + 2
    assert info.status == "failed"
    assert "interrupted" in info.error["message"]


def test_a_wide_fanout_is_ahead_by_no_more_than_max_ahead():
    async def main():
        journal = HeldJournal()
        engine = await opened(journal)
        agents = Agents(engine)
        lanes = {
            "kind": "fanout",
            "items": path("$.items"),
            "bind": path("$.item"),
            "body": step("gate", "$.item"),
            "join": "all",
            "select": path("$.out"),
            "out": path("$.results"),
        }
        handle = await engine.start(blueprint(lanes), {"items": list(range(500))})
        await agents.started.wait()
        await settle(1000)
        await engine.ledger.flushed()
        journal.hold()
        agents.release.set()
        await settle(3000)
        settled = engine.ledger.state.runs[handle.id].settled
        journal.let_go()
        result = await handle.result()
        await engine.close()
        return settled, len(result["results"])

    settled, total = run(main())
    assert settled == Limits().max_ahead
    assert total == 500


def test_orderly_restarts_do_not_use_up_the_interruptions(tmp_path):
    url = f"sqlite:///{tmp_path}/skep.db"

    async def life(run_id):
        async with Engine.open(url, recover="none") as engine:
            agents = Agents(engine)
            handle = await (
                engine.resume_run(run_id) if run_id else engine.start(blueprint(step("hang")), {})
            )
            await agents.started.wait()
            return handle.id

    run_id = None
    for _ in range(Limits().max_interruptions + 3):
        run_id = run(life(run_id))


def test_open_recovers_by_itself_what_was_interrupted(tmp_path):
    url = f"sqlite:///{tmp_path}/skep.db"

    async def first():
        async with Engine.open(url) as engine:
            agents = Agents(engine)
            handle = await engine.start(blueprint([step("hang"), step("echo")]), {})
            await agents.started.wait()
            return handle.id

    async def second(run_id):
        async with Engine.open(url) as engine:
            Agents(engine, without="hang")
            engine.agent("hang")(lambda: "free")
            following = engine.run_events(run_id, follow=True)
            kinds = [event["kind"] async for event in following]
            return kinds, await engine.get_run(run_id)

    kinds, info = run(second(run(first())))
    assert info.status == "done"
    assert "run_recovered" in kinds


def test_a_run_that_cannot_be_recovered_does_not_keep_others_from_it(tmp_path):
    url = f"sqlite:///{tmp_path}/skep.db"

    async def first():
        async with Engine.open(url) as engine:
            agents = Agents(engine)
            engine.agent("stranger")(lambda: 1)
            flow = [step("hang"), step("stranger")]
            one = await engine.start(blueprint(flow), {})
            await agents.started.wait()
            agents.started.clear()
            two = await engine.start(blueprint(step("hang")), {})
            await agents.started.wait()
            return one.id, two.id

    async def second(one, two):
        async with Engine.open(url) as engine:
            Agents(engine, without="hang")
            engine.agent("hang")(lambda: "free")
            info = [event async for event in engine.run_events(two, follow=True)]
            return info[-1]["status"], engine.unrecovered

    status, unrecovered = run(second(*run(first())))
    assert status == "done"
    assert len(unrecovered) <= 1


def test_a_commit_that_is_refused_fails_its_run_and_leaves_nothing(tmp_path):
    async def main():
        limits = Limits(journal_backlog=30)
        async with Engine.open(f"sqlite:///{tmp_path}/skep.db", limits=limits) as engine:
            Agents(engine)
            wide = {
                "kind": "fanout",
                "items": path("$.items"),
                "bind": path("$.item"),
                "body": step("echo", "$.item"),
                "join": "all",
                "out": path("$.r"),
            }
            with pytest.raises(LimitExceeded, match="journal_backlog"):
                await engine.start(blueprint(wide), {"items": list(range(100))})
            await asyncio.sleep(0)
            stats = engine.stats()
            done = await (await engine.start(blueprint(step("echo")), {})).wait()
            return stats, done

    stats, done = run(main())
    assert (stats["open_runs"], stats["open_tasks"]) == (0, 0)
    assert done.status == "done"
