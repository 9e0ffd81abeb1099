"""The page on strategies: its Python prints what it says, its Blueprint runs, its commands are commands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from typer.main import get_command

from skep import Engine, load_blueprint
from skep.cli.app import app
from skep.flow.lint import lint
from skep.host import standard_catalog
from skep.testing.aio import run

PAGE = (Path(__file__).parents[2] / "docs" / "strategies.md").read_text()


def block(language):
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return found


def test_the_python_block_prints_what_the_page_says():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block("python")],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert f"It prints `{done.stdout.strip()}`." in PAGE


def test_the_blueprint_runs(tmp_path):
    (tmp_path / "prime.yaml").write_text(block("yaml"))
    loaded = load_blueprint(tmp_path / "prime.yaml")
    assert lint(loaded.blueprint, standard_catalog()) == []

    async def main():
        async with Engine.open("memory:") as engine:
            handle = await engine.start(loaded, {"task": "Is 91 prime?"})
            await handle.until_suspended()
            [question] = await engine.list_questions()
            assert question.question["system"] == "Answer yes or no."
            await engine.resume(None, question.key, "no")
            return await handle.result()

    assert run(main())["answer"] == "no"


def test_its_commands_are_those_of_the_program():
    commands = get_command(app).commands["strategy"].commands
    for name, options in re.findall(r"skep strategy (\w+)([^\n#]*)", block("sh")):
        known = {word for option in commands[name].params for word in option.opts}
        assert set(re.findall(r"--\w+", options)) <= known
