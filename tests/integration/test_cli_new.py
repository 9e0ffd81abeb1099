from __future__ import annotations

import subprocess
import sys


def test_a_new_folder_lints_clean_runs_and_its_test_passes(skep):
    made = skep("new", "my-swarm")
    assert made.returncode == 0, made.stderr
    folder = skep.folder / "my-swarm"
    assert sorted(file.name for file in folder.iterdir()) == [
        "agents.py",
        "blueprint.yaml",
        "test_my_swarm.py",
    ]
    assert not any("NAME" in file.read_text() for file in folder.iterdir())

    assert skep.json("lint", "my-swarm/blueprint.yaml") == {
        "ok": True,
        "file": "my-swarm/blueprint.yaml",
        "problems": [],
    }
    assert skep.json("run", "my-swarm/blueprint.yaml")["result"]["most"] == 6
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env=skep.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout
    assert "1 passed" in tested.stdout


def test_nothing_that_is_there_is_touched(skep):
    (skep.folder / "mine").mkdir()
    done = skep("new", "mine")
    assert done.returncode == 2
    assert "is there already" in done.stderr
    assert list((skep.folder / "mine").iterdir()) == []
