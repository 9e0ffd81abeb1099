"""What every attempt asks /proc of this process: its files are opened once."""

from __future__ import annotations

import os

from skep.workers.process.tree import procfs


class Kept:
    """A file below /proc that is read again and again, each time as it is then."""

    def __init__(self, name: str) -> None:
        try:
            self._descriptor = os.open(f"{procfs.PROC}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1

    def words(self) -> list[bytes] | None:
        """What stands in it now, `None` if it cannot be read."""
        if self._descriptor < 0:
            return None
        try:
            data = part = os.pread(self._descriptor, procfs.CHUNK, 0)
            while part and len(data) < procfs.MOST:
                part = os.pread(self._descriptor, procfs.CHUNK, len(data))
                data += part
        except OSError:
            return None
        return data.split()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Own:
    """What /proc tells of this process and its machine, for every attempt."""

    def __init__(self) -> None:
        self._children = Kept(procfs.CHILDREN.format(pid=os.getpid()))
        self._load = Kept("loadavg")

    def children(self) -> set[int] | None:
        """As `children` of this process."""
        words = self._children.words()
        return None if words is None else set(map(int, words))

    def newest(self) -> int:
        """The process that was started last, of all that can be seen here; 0 if that is not told."""
        words = self._load.words()
        return int(words[-1]) if words else 0

    def close(self) -> None:
        self._children.close()
        self._load.close()
