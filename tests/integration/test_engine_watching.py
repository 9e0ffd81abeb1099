"""Who listens and who asks from outside: subscriptions, other processes, other threads."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engines import Agents, blueprint, chain, lit, path, step
from skep import Engine, run_sync
from skep.errors import BadValue, EngineError, Lagged, LockBusy, RunOwned
from skep.limits import Limits
from skep.testing.aio import run


@pytest.fixture(params=["memory", "sqlite"])
def url(request, tmp_path):
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/skep.db"


def test_subscribers_see_every_durable_event_in_order(url):
    async def main():
        async with Engine.open(url) as engine:
            Agents(engine)
            everything, later = engine.subscribe(), []
            handle = await engine.start(blueprint(chain(20)), {"n": 0})
            one = engine.subscribe(handle.id)
            await handle.wait()
            seen = []
            async for recorded in everything:
                seen.append((recorded.version, type(recorded.event).__name__))
                if seen[-1][1] == "RunFinished":
                    break
            one.close()
            later += [recorded async for recorded in one]
            stored = [(recorded.version, type(recorded.event).__name__) for recorded in await engine.events()]
            return seen, stored, later

    seen, stored, later = run(main())
    assert seen == stored
    assert [version for version, _ in seen] == list(range(1, len(seen) + 1))
    assert all(recorded.version > 1 for recorded in later)


def test_a_slow_subscriber_is_told_where_to_read_on(url):
    async def main():
        async with Engine.open(url, limits=Limits(subscriber_queue=10)) as engine:
            Agents(engine)
            slow = engine.subscribe()
            handle = await engine.start(blueprint(chain(50)), {"n": 0})
            await handle.wait()
            seen = []
            with pytest.raises(Lagged) as lagged:  # noqa: PT012 - it is the loop that ends so
                async for recorded in slow:
                    seen.append(recorded)  # noqa: PERF401 - kept although the loop raises
            rest = await engine.events(after=lagged.value.position)
            return seen, rest, await engine.events(), lagged.value.position

    seen, rest, everything, position = run(main())
    assert len(seen) <= 10
    assert seen + rest == everything
    assert not seen or seen[-1].position == position


def test_another_process_may_ask_for_the_end_of_a_run(tmp_path):
    url = f"sqlite:///{tmp_path}/skep.db"

    async def main():
        async with Engine.open(url) as owner, Engine.open(url, recover="none") as other:
            agents = Agents(owner)
            handle = await owner.start(blueprint(step("hang")), {})
            await agents.started.wait()
            with pytest.raises(RunOwned):
                await other.resume_run(handle.id)
            await other.journal.send(f"run:{handle.id}", {"kind": "odd"})
            await other.journal.send(f"run:{handle.id}", {"kind": "cancel", "reason": "enough"})
            info = await handle.wait()
            seen = [event["kind"] async for event in other.run_events(handle.id)]
            return info, await other.get_run(handle.id), seen

    info, read, seen = run(main())
    assert info.status == read.status == "cancelled"
    assert "enough" in info.error["message"]
    assert seen[-1] == "run_finished"


def test_a_reader_follows_a_run_of_another_process(tmp_path):
    url = f"sqlite:///{tmp_path}/skep.db"

    async def main():
        async with Engine.open(url) as owner, Engine.open(url, recover="none") as other:
            agents = Agents(owner)
            handle = await owner.start(blueprint([step("gate"), step("echo")]), {})
            await agents.started.wait()
            kinds = []
            async for event in other.run_events(handle.id, follow=True):
                kinds.append(event["kind"])
                agents.release.set()
            return kinds

    kinds = run(main())
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_finished"


def test_a_full_inbox_of_another_thread_is_busy_and_recovers():
    async def main():
        async with Engine.open("memory:", limits=Limits(threadsafe_inbox=2)) as engine:
            hold = threading.Event()
            answers = []

            def elsewhere():
                waiting = [engine.threadsafe.call(hold.is_set) for _ in range(2)]
                with pytest.raises(LockBusy):
                    engine.threadsafe.call(hold.is_set)
                hold.set()
                answers.extend(future.result(10) for future in waiting)
                answers.append(engine.threadsafe.call(lambda: "again").result(10))

            thread = threading.Thread(target=elsewhere)
            thread.start()
            hold.wait(10)  # holds the loop, so that the calls must wait
            await asyncio.to_thread(thread.join)
            return answers

    assert run(main()) == [True, True, "again"]


def test_a_call_after_the_end_of_the_loop_is_busy_too():
    async def main():
        async with Engine.open("memory:") as engine:
            return engine.threadsafe

    threadsafe = run(main())
    with pytest.raises(LockBusy, match="closed"):
        threadsafe.call(print)


def test_misuse_of_the_one_call_forms_is_named():
    document = blueprint({"kind": "let", "at": path("$.x"), "value": lit(1)})

    async def main():
        with pytest.raises(EngineError, match=r"await skep\.run"):
            run_sync(document)
        async with Engine.open("memory:") as engine:
            with pytest.raises(BadValue, match="not an object"):
                await engine.start(document, [1])

    run(main())
    agents = [{"name": "id", "kind": "rust_fn", "spec": {"fn_id": "identity"}}]
    result = run_sync(blueprint(step("id"), agents=agents), {"x": 1})
    assert result["out"] == {"by": "baseline-identity", "agent": "id", "echoed": '{"x":1}'}
