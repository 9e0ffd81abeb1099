"""A scheduler that tries every order in which tasks and outside acts can go on.

Tasks run on a loop that does nothing by itself: at each turn one of its ready callbacks, whichever, or the
next outside act of any actor is chosen. `every_order` runs a scenario once for each way to choose.
"""

from __future__ import annotations

import asyncio
from asyncio import events

MAX_ORDERS = 200_000


class HandLoop(asyncio.AbstractEventLoop):
    """As much of a loop as futures and tasks need; nothing runs until it is told to."""

    def __init__(self):
        self.ready = []
        self.problems = []

    def call_soon(self, callback, *args, context=None):
        handle = asyncio.Handle(callback, args, self, context)
        self.ready.append(handle)
        return handle

    def create_future(self):
        return asyncio.Future(loop=self)

    def call_exception_handler(self, context):
        self.problems.append(context)

    def get_debug(self):
        return False

    def is_running(self):
        return True

    def is_closed(self):
        return False


class Choices:
    """One way through the tree of choices; `next_way` is the one after it."""

    def __init__(self, made=()):
        self.made = list(made)
        self.widths = []

    def pick(self, width):
        at = len(self.widths)
        self.widths.append(width)
        if at == len(self.made):
            self.made.append(0)
        return self.made[at]

    def next_way(self):
        for at in reversed(range(len(self.widths))):
            if self.made[at] + 1 < self.widths[at]:
                return Choices([*self.made[:at], self.made[at] + 1])
        return None


def run_one(choices, coroutines, actors, loop):
    """Run to the end, that is until nothing is ready and no act is left; returns the tasks."""
    events._set_running_loop(loop)
    try:
        tasks = [asyncio.Task(coroutine, loop=loop) for coroutine in coroutines]
        acts = [list(actor(tasks)) for actor in actors]
        while True:
            handles = [handle for handle in loop.ready if not handle.cancelled()]
            left = [steps for steps in acts if steps]
            if not handles and not left:
                return tasks
            picked = choices.pick(len(handles) + len(left))
            if picked < len(handles):
                loop.ready.remove(handles[picked])
                handles[picked]._run()
            else:
                left[picked - len(handles)].pop(0)()
    finally:
        events._set_running_loop(None)


def every_order(scenario):
    """Run `scenario(run)` for each order; `run(coroutines, actors)` returns the tasks. How many there were.

    An actor is called with the tasks and gives its acts, which happen in this order, whatever lies between.
    """
    choices, orders = Choices(), 0
    while choices is not None:
        orders += 1
        assert orders <= MAX_ORDERS, "too many orders: make the scenario smaller"
        loop = HandLoop()
        now = choices
        scenario(lambda coroutines, *actors: run_one(now, coroutines, actors, loop))  # noqa: B023 - called at once
        assert loop.problems == []
        choices = choices.next_way()
    return orders
