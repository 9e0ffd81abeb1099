"""Waiting for many descriptors at the price of one."""

from __future__ import annotations

import asyncio
import select
import sys
from collections.abc import Callable
from typing import Protocol

Ready = Callable[[], object]


class Poller(Protocol):
    """Calls back on the event loop while a descriptor can be read."""

    def watch(self, descriptor: int, ready: Ready) -> None: ...

    def forget(self, descriptor: int) -> None:
        """Before it is closed. Nothing happens to one that is not watched."""
        ...


if sys.platform == "linux":
    # A handle, a key and two lookups in the selector for each of the three descriptors of a child cost the loop
    # as much as the rest of its attempt does: here they share one `epoll`, which alone the loop watches.

    class EpollPoller:
        """Lives from the first descriptor that an event loop waits for to the last."""

        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self._loop = loop
            self._epoll = select.epoll()
            self._ready: dict[int, Ready] = {}
            loop.add_reader(self._epoll.fileno(), self._dispatch)

        def watch(self, descriptor: int, ready: Ready) -> None:
            self._epoll.register(descriptor, select.EPOLLIN)
            self._ready[descriptor] = ready

        def forget(self, descriptor: int) -> None:
            if self._ready.pop(descriptor, None) is None:
                return
            self._epoll.unregister(descriptor)
            if not self._ready:
                self._loop.remove_reader(self._epoll.fileno())
                self._epoll.close()
                _pollers.pop(self._loop, None)

        def _dispatch(self) -> None:
            found = [(descriptor, self._ready[descriptor]) for descriptor, _ in self._epoll.poll(0)]
            for descriptor, ready in found:
                if self._ready.get(descriptor) is ready:  # nobody before it has closed it
                    ready()

    _pollers: dict[asyncio.AbstractEventLoop, EpollPoller] = {}

    def poller() -> Poller:
        """That of the running event loop."""
        loop = asyncio.get_running_loop()
        found = _pollers.get(loop)
        if found is None:
            found = _pollers[loop] = EpollPoller(loop)
        return found

else:

    class LoopPoller:
        """The event loop itself."""

        def __init__(self) -> None:
            self._loop = asyncio.get_running_loop()

        def watch(self, descriptor: int, ready: Ready) -> None:
            self._loop.add_reader(descriptor, ready)

        def forget(self, descriptor: int) -> None:
            self._loop.remove_reader(descriptor)

    def poller() -> Poller:
        """That of the running event loop."""
        return LoopPoller()
