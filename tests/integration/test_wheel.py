"""A built wheel in an empty venv gives a working program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def reachable() -> bool:
    """Whether pip can ask the package index that it is set up for."""
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "--timeout", "5", "--retries", "0", "index", "versions", "msgspec"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return asked.returncode == 0


def run(*words: str | Path, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.slow
def test_a_wheel_in_an_empty_venv_gives_a_working_program(tmp_path):
    if not reachable():
        pytest.skip("the package index cannot be reached")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT)
    (wheel,) = tmp_path.glob("skep-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt", wheel)

    skep = tmp_path / "venv" / "bin" / "skep"
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SKEP_HOME": str(tmp_path / "home")}
    assert run(skep, "--version", env=env).stdout.startswith("skep ")
    run(skep, "new", "swarm", cwd=tmp_path, env=env)
    done = run(skep, "run", "swarm/blueprint.yaml", "--json", cwd=tmp_path, env=env)
    assert json.loads(done.stdout)["status"] == "done"
    assert "ran again: 0" in run(skep, "demo", cwd=tmp_path, env=env).stdout
    count = "from skep.strategy.bundled import BUNDLED; print(len([*BUNDLED.glob('*/init.lua')]))"
    bundled = [*ROOT.glob("src/skep/strategy/bundled/*/init.lua")]
    assert int(run(python, "-c", count, env=env).stdout) == len(bundled)
