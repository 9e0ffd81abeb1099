from __future__ import annotations

import subprocess
import sys
import threading
from queue import Queue

import pytest

from skep.errors import LimitExceeded, SpawnError
from skep.limits import Limits
from skep.workers.threads import ThreadPool

WAIT = 10


def limits(**changes):
    return Limits(**{"sync_threads": 2, "abandoned_threads": 2, "sync_waiting": 3, **changes})


class Blocked:
    """A function that returns when the test lets it."""

    def __init__(self):
        self.started = threading.Event()
        self.release = threading.Event()
        self.done = threading.Event()

    def __call__(self):
        self.started.set()
        self.release.wait(WAIT)
        self.done.set()


def wait_until(true):
    deadline = threading.Event()
    for _ in range(1000):
        if true():
            return
        deadline.wait(0.005)
    raise AssertionError("did not come true")


def test_idle_threads_are_used_again():
    pool, names = ThreadPool(limits()), Queue()
    for _ in range(20):
        pool.submit(lambda: names.put(threading.current_thread().ident))
        names.get(timeout=WAIT)
        wait_until(lambda: len(pool._idle) == pool.threads)
    assert pool.threads == 1


def test_at_most_so_many_run_and_the_others_wait_in_order():
    pool, order = ThreadPool(limits()), Queue()
    busy = [Blocked(), Blocked()]
    for call in busy:
        pool.submit(call)
        assert call.started.wait(WAIT)
    for number in range(3):
        pool.submit(lambda number=number: order.put(number))
    assert pool.threads == 2
    assert order.empty()
    with pytest.raises(LimitExceeded, match="sync_waiting"):
        pool.submit(lambda: None)
    busy[0].release.set()
    assert [order.get(timeout=WAIT) for _ in range(3)] == [0, 1, 2]
    busy[1].release.set()


def test_a_waiting_call_can_be_withdrawn_a_running_one_not():
    pool, ran = ThreadPool(limits(sync_threads=1)), Queue()
    busy = Blocked()
    running = pool.submit(busy)
    assert busy.started.wait(WAIT)
    first, second = pool.submit(lambda: ran.put("first")), pool.submit(lambda: ran.put("second"))
    assert pool.withdraw(first)
    assert not pool.withdraw(running)
    busy.release.set()
    assert ran.get(timeout=WAIT) == "second"
    wait_until(lambda: second.state == "done")
    assert ran.empty()
    assert not pool.withdraw(second)


def test_an_abandoned_thread_is_counted_replaced_and_ends_when_it_returns():
    pool, ran = ThreadPool(limits(sync_threads=1)), Queue()
    stuck = Blocked()
    call = pool.submit(stuck)
    assert stuck.started.wait(WAIT)
    pool.submit(lambda: ran.put("after"))
    assert pool.abandon(call)
    assert ran.get(timeout=WAIT) == "after"
    assert (pool.abandoned, pool.threads) == (1, 1)
    stuck.release.set()
    wait_until(lambda: pool.abandoned == 0)
    assert not pool.abandon(call)
    assert pool.abandoned == 0


def test_beyond_the_limit_of_abandoned_threads_nothing_is_started():
    pool = ThreadPool(limits())
    stuck = [Blocked(), Blocked()]
    for function in stuck:
        call = pool.submit(function)
        assert function.started.wait(WAIT)
        assert pool.abandon(call)
    with pytest.raises(LimitExceeded, match="abandoned_threads of 2"):
        pool.submit(lambda: None)
    stuck[0].release.set()
    wait_until(lambda: pool.abandoned == 1)
    ran = threading.Event()
    pool.submit(ran.set)
    assert ran.wait(WAIT)
    stuck[1].release.set()


def test_a_call_that_has_returned_cannot_be_abandoned():
    pool = ThreadPool(limits())
    call = pool.submit(lambda: None)
    wait_until(lambda: call.state == "done")
    assert not pool.abandon(call)
    assert pool.abandoned == 0


def test_idle_threads_end_after_a_while():
    pool, done = ThreadPool(limits(), idle_seconds=0.01), threading.Event()
    pool.submit(done.set)
    assert done.wait(WAIT)
    wait_until(lambda: pool.threads == 0)
    done.clear()
    pool.submit(done.set)
    assert done.wait(WAIT)


def test_a_system_without_threads_is_a_spawn_error(monkeypatch):
    pool = ThreadPool(limits())

    def refuse(_self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(SpawnError, match="can't start new thread"):
            pool.submit(lambda: None)
    assert pool.threads == 0
    done = threading.Event()
    pool.submit(done.set)
    assert done.wait(WAIT)


def test_a_stuck_thread_does_not_keep_the_interpreter_from_ending():
    program = """
import threading
from skep.workers.threads import ThreadPool
started = threading.Event()
def stuck():
    started.set()
    threading.Event().wait()
ThreadPool().submit(stuck)
started.wait()
print("bye")
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "bye\n", "")
