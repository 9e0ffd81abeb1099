"""`skep demo`: a small swarm is killed in the middle and goes on; nothing that was finished runs again."""

from __future__ import annotations

from skep.cli import exits


def demo() -> int:
    """Watch a swarm being killed and going on (offline, 15 s)."""
    import signal
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from skep.cli.honeycomb.crash import perform

    signal.signal(signal.SIGINT, signal.default_int_handler)  # the folder is removed on the way out
    with TemporaryDirectory(prefix="skep-demo-") as folder:
        try:
            return perform(Path(folder).resolve())
        except KeyboardInterrupt:
            return exits.CANCELLED
