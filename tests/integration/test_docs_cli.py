"""docs/cli.md says what the program has: its commands, their options, its exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from skep.cli import exits
from skep.cli.app import COMMANDS, GROUPS, app

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def section(title):
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_the_options_are_those_of_the_program():
    told = {}
    for names, options in re.findall(r"^\| (`.*?) \|(.*)\|$", section("Options"), re.MULTILINE):
        for name in re.findall(r"`(\w+)", names):
            told[name] = set(re.findall(r"--\w[\w-]*", options))
    assert told == {
        name: {word for option in command.params for word in option.opts if word.startswith("-")}
        for name, command in get_command(app).commands.items()
    }


@pytest.mark.parametrize(("group", "title"), [("token", "Tokens"), ("pkg", "Packages")])
def test_the_options_of_a_group_are_those_of_the_program(group, title):
    told = {
        name: set(re.findall(r"--\w[\w-]*", options))
        for name, options in re.findall(
            rf"^\| `skep {group} (\w+).*?` \|(.*)\|$", section(title), re.MULTILINE
        )
    }
    assert told == {
        name: {word for option in command.params for word in option.opts if word.startswith("-")}
        for name, command in get_command(app).commands[group].commands.items()
    }


def test_every_option_but_the_plain_ones_is_explained():
    table, _, text = section("Options").partition("\n\n- ")
    assert table
    for option in set(re.findall(r"--\w[\w-]*", table)) - {"--json", "--store", "--explain"}:
        assert option in text, option


def test_every_command_has_its_line():
    assert set(re.findall(r"`skep (\w+)", PAGE.partition("\n## ")[0])) == {*COMMANDS, *GROUPS}


def test_the_exit_codes_are_those_of_the_program():
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", section("For machines"), re.MULTILINE)}
    assert told == {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
