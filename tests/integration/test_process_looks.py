"""What the tree of an attempt asks the system for, at little cost."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from skep.workers.process.poller import poller
from skep.workers.process.tree import procfs
from skep.workers.process.tree.marks import brand_of, new_mark, set_brand
from skep.workers.process.tree.own import Own

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def own():
    found = Own()
    yield found
    found.close()


def test_a_process_is_the_newest_until_another_has_started(own):
    with subprocess.Popen(["sleep", "60"]) as first:
        assert own.newest() >= first.pid  # others start processes, too
        with subprocess.Popen(["true"]):
            assert own.newest() != first.pid
        first.kill()


def test_children_are_those_of_now_each_time(own):
    before = own.children()
    with subprocess.Popen(["sleep", "60"]) as child:
        assert own.children() == before | {child.pid} == set(procfs.children(os.getpid()))
        child.kill()
    assert own.children() == before


def test_once_closed_nothing_is_told(own):
    own.close()
    assert own.children() is None
    assert own.newest() == 0


def test_what_a_program_has_started_before_its_brand_is_branded_too(own):
    with subprocess.Popen(["sh", "-c", "sleep 60 & echo; wait"], stdout=subprocess.PIPE) as shell:
        shell.stdout.readline()
        (child,) = procfs.children(shell.pid)
        _, mark = new_mark()
        for pid in procfs.started(shell.pid, own.newest):
            set_brand(pid, mark)
        brands = brand_of(shell.pid), brand_of(child)
        os.kill(child, 9)
        shell.kill()
    assert brands == (mark.brand, mark.brand)


def test_a_descriptor_that_another_callback_closed_is_not_called():
    called = []

    async def both_ready():
        pipes = [os.pipe() for _ in range(2)]
        waiting = poller()

        def ready(which):
            called.append(which)
            for end in (end for pipe in pipes for end in pipe):
                waiting.forget(end)
                os.close(end)

        for which, (end, other) in enumerate(pipes):
            os.write(other, b"x")
            waiting.watch(end, lambda which=which: ready(which))
        assert poller() is waiting
        while not called:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert poller() is not waiting  # the last descriptor has closed it
        end, other = os.pipe()
        poller().watch(end, called.clear)
        os.close(other)
        while called:
            await asyncio.sleep(0)
        poller().forget(end)
        os.close(end)

    asyncio.run(both_ready())
