"""The conformance suite of the worker port: every spawner passes it. Needs the `test` extra.

Derive a class in a test module and give it spawners of four behaviours:

    class TestMySpawner(WorkerContract):
        @pytest.fixture
        def spawner_of(self):
            return lambda behaviour: MySpawner(...)

`echo`: the result is the step's input. `fail`: ends without doing its work. `hang`: goes on until it is
cancelled. `big`: the result is `"x" * BIG`.

Spawners whose workers serve many attempts pass `ReusableContract`, too.
"""

from __future__ import annotations

from skep.testing.workers.attempt import FakeAttempt, make_ctx
from skep.testing.workers.contract import BIG, Behaviour, SpawnerOf, WorkerContract
from skep.testing.workers.reusable import PooledOf, ReusableContract

__all__ = [
    "BIG",
    "Behaviour",
    "FakeAttempt",
    "PooledOf",
    "ReusableContract",
    "SpawnerOf",
    "WorkerContract",
    "make_ctx",
]
