"""`skep demo`: a small swarm is killed in the middle and goes on; nothing that was finished runs again."""

from __future__ import annotations

from skep.cli import exits


def demo() -> int:
    """Watch a swarm being killed and going on (offline, 15 s)."""
    import signal
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from skep.cli.honeycomb.crash import Terminated, perform
    from skep.cli.interrupts import install

    def stop(number: int, _frame: object) -> None:
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    with TemporaryDirectory(prefix="skep-demo-") as folder:
        try:
            install(stop)
            signal.signal(signal.SIGINT, signal.default_int_handler)  # the one that asyncio knows
            return perform(Path(folder).resolve())
        except KeyboardInterrupt:
            return exits.CANCELLED
        finally:
            install(signal.SIG_IGN)  # the folder is to be removed whole
