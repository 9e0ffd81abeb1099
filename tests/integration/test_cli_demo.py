from __future__ import annotations

import pytest


@pytest.mark.slow
def test_the_demo_is_killed_goes_on_and_counts_no_step_twice(skep):
    done = skep("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill -9" in done.stdout
    assert "$ skep resume run-" in done.stdout
    assert "of these ran again: 0" in done.stdout
    assert "spilled the nectar" in done.stdout, "the retry"
    (run,) = skep.json("ps")["runs"]
    assert run["status"] == "done"
    assert list(skep.temporary.iterdir()) == []
