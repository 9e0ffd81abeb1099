"""The trees of this process: one registry, made with the first process worker."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from skep.errors import SpawnError
from skep.workers.process.tree import guardian, leftovers, procfs
from skep.workers.process.tree.ending import kill_all, reap
from skep.workers.process.tree.leftovers import KILL_SECONDS
from skep.workers.process.tree.marks import VARIABLE, Mark, brand_of, digest_of, set_brand
from skep.workers.process.tree.members import members
from skep.workers.process.tree.own import Own
from skep.workers.process.tree.procfs import Proc
from skep.workers.process.tree.records import Records, any_other_host, base_folder, locked
from skep.workers.process.tree.subreaper import become_subreaper, is_subreaper

log = logging.getLogger("skep.workers")

TIDY_SECONDS = 5.0
_ENDED = 10_000
"""Ended attempts that are looked for once more, when it is tidied next."""
_THREADS = 4
_PACKAGE = Path(__file__).resolve().parents[4]


class Registry:
    """Which attempts live in this process, and who watches over them."""

    def __init__(self) -> None:
        self._base = base_folder()
        with locked(self._base):
            tell(*leftovers.sweep(self._base))
            self.records = Records(self._base)
        self.workers = ThreadPoolExecutor(_THREADS, thread_name_prefix="skep-tree")
        self.subreaper = is_subreaper()
        self.own = Own()
        self.live: dict[int, Mark] = {}
        """Attempts by their leader, from its start until it is reaped and nothing is left of its tree."""
        self._ended: deque[Mark] = deque(maxlen=_ENDED)
        self._unbranded: dict[int, str] = {}
        self._born_with = brand_of(os.getpid())
        """What our children carry that nobody has branded."""
        self._guardian: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None
        self.watch()

    def watch(self) -> None:
        """See that there is a guardian."""
        if self._guardian is not None and self._guardian.poll() is None:
            return
        if self._guardian is not None:
            log.warning("the guardian of the process workers has ended; another is started")
        self.let_go()
        argv = [sys.executable, "-I", "-S", "-c", guardian.BOOT, str(_PACKAGE), str(os.getpid()), self._base]
        self._guardian = subprocess.Popen(  # noqa: S603 - our own interpreter
            argv,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,
        )

    def recorded(self) -> Records:
        """Where attempts are written down; made anew when somebody has cleaned the temporary folder."""
        if not os.path.isdir(self.records.folder):
            with locked(base_folder()):
                self.records = Records(self._base)
                for mark in self.live.values():
                    self.records.add(mark)
        return self.records

    @property
    def guardian(self) -> int:
        """Its pid."""
        return self._guardian.pid if self._guardian is not None else 0

    def let_go(self) -> None:
        """Close the pipe to the guardian: in a fork, or when it has ended."""
        if self._guardian is not None and self._guardian.stdin is not None:
            self._guardian.stdin.close()
            self._guardian.returncode = self._guardian.returncode or 0  # it goes by itself

    # -- one attempt ---------------------------------------------------------------------------

    def enter(self, pid: int, mark: Mark) -> None:
        """An attempt's program has started."""
        self.live[pid] = mark
        for process in procfs.started(pid, self.own.newest):
            set_brand(process, mark)
        if self._timer is None:
            self._tidy_later()

    def leave(self, pid: int) -> None:
        """Its program was reaped and nothing of its tree was found any more."""
        mark = self.live.pop(pid, None)
        if mark is not None:
            self._ended.append(mark)

    def anything_left(self, pid: int, mark: Mark) -> bool:
        """Whether something of an attempt is left beside its program, which has ended: the quick look.

        Whatever escaped has come back to us as subreaper. If we are none, the brand tells.
        """
        candidates = self.own.children() if self.subreaper else None
        if candidates is not None:
            unknown = candidates.difference(self.live, (self.guardian,))
            return [child for child in unknown if self._is_of(child, mark)] != []
        if mark.brand:
            return any(brand_of(found) == mark.brand for found in procfs.pids() if found != pid)
        return bool(self.find(pid, mark))

    def find(self, pid: int, mark: Mark) -> list[Proc]:
        """Everything of an attempt beside its leader's zombie; adopted zombies are reaped on the way."""
        return self._found([mark], (pid,) if pid in self.live else ())

    def _found(self, marks: Collection[Mark], leaders: Collection[int] = ()) -> list[Proc]:
        found = members(marks, leaders=leaders, spared=(self.guardian,))
        for process in found:
            if process.ended and process.parent == os.getpid() and process.pid not in self.live:
                reap(process.pid)
        return [process for process in found if not process.ended]

    def kill(self, pid: int, mark: Mark) -> None:
        """End everything of an attempt; may take seconds."""
        tell(kill_all(lambda: self.find(pid, mark), KILL_SECONDS))

    def _is_of(self, child: int, mark: Mark) -> bool:
        """Whether a child that we did not start is of this attempt; one that has ended is reaped."""
        brand = brand_of(child)
        told_by_brand = mark.brand and brand not in (0, self._born_with)
        if brand != mark.brand if told_by_brand else self._digest(child) != mark.digest:
            return False
        process = procfs.look(child)
        if process is None or process.ended:
            reap(child)
            return False
        return True

    def _digest(self, child: int) -> str:
        """What stands for the marker of a child that came without a brand; looked at once."""
        if child not in self._unbranded:
            self._unbranded[child] = digest_of(procfs.variable(child, VARIABLE) or "")
        return self._unbranded[child]

    # -- from time to time ---------------------------------------------------------------------

    def _tidy_later(self) -> None:
        self._timer = threading.Timer(TIDY_SECONDS, self._tidy)
        self._timer.daemon = True
        self._timer.start()

    def _tidy(self) -> None:
        """Reap what came back from long attempts and has ended, and look once more for what is left of ended ones."""
        self.reap_adopted()
        self.sweep_ended()
        self._unbranded.clear()
        if self.live:
            self._tidy_later()
        else:
            self._timer = None

    def reap_adopted(self) -> None:
        """Reap the adopted children of live attempts that have ended."""
        brands = {mark.brand for mark in list(self.live.values())} - {0}
        for child in (procfs.children(os.getpid()) or ()) if brands else ():
            process = procfs.look(child) if child not in self.live and brand_of(child) in brands else None
            if process is not None and process.ended:
                reap(child)

    def sweep_ended(self) -> None:
        """End what has escaped the quick look at an attempt's end."""
        ended = {self._ended.popleft() for _ in range(len(self._ended))}
        if ended:
            tell(kill_all(lambda: self._found(ended), KILL_SECONDS))

    def close(self) -> None:
        """The process ends: nothing is left to guard, or the guardian sees to it."""
        if not self.live:
            self.sweep_ended()
            self.records.close()
            self.own.close()
            self.let_go()
        elif self._guardian is not None:
            self._guardian.returncode = 0  # it goes when it has ended them


def tell(alive: list[Proc], folders: Sequence[str] = ()) -> None:
    """Say what could not be ended or removed."""
    for process in alive:
        log.warning("process %d of an attempt that has ended could not be killed", process.pid)
    for folder in folders:
        log.warning("%s could not be removed", folder)


_lock = threading.Lock()
_registry: Registry | None = None


def registry() -> Registry:
    """The registry of this process; the first call ends what dead hosts have left, which may take seconds.

    Raises:
        SpawnError: there is no place for its records, or no guardian can be started.
    """
    global _registry  # noqa: PLW0603 - a process has one set of children
    with _lock:
        if _registry is None:
            try:
                _registry = Registry()
            except OSError as error:
                raise SpawnError(f"no process worker can be started here: {error}") from error
        return _registry


def known_registry() -> Registry | None:
    """The registry, if a process worker was started in this process."""
    return _registry


def sweep_leftovers() -> None:
    """End what the attempts of dead hosts have left; where that cannot be looked for, it is said."""
    try:
        tell(*leftovers.sweep_now())
    except OSError as error:
        log.warning("what a dead host may have left cannot be looked for: %s", error)


async def sweep_leftovers_aside() -> None:
    """`sweep_leftovers` in a thread, if there may be any."""
    if any_other_host():
        await asyncio.to_thread(sweep_leftovers)


def adopt_orphans() -> bool:
    """Become the subreaper, with which everything that escapes from an attempt is found; whether that works here."""
    works = become_subreaper()
    if _registry is not None:
        _registry.subreaper = works
    return works


def _forget() -> None:
    """In a fork: nothing of this is ours."""
    global _registry, _lock
    if _registry is not None:
        _registry.let_go()
        _registry.own.close()
    _registry, _lock = None, threading.Lock()


def _close() -> None:
    if _registry is not None:
        _registry.close()


os.register_at_fork(after_in_child=_forget)
atexit.register(_close)
