"""What can be wrong with command line templates and with who refers to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from skep.flow.agents import AgentDef, SubprocessRunner
from skep.flow.blueprint import Blueprint
from skep.flow.parts import ProcessOutput, SubprocessDef
from skep.flow.pointer import is_pointer
from skep.flow.problems import Problem, did_you_mean, inside
from skep.flow.process_templates import (
    PLACEHOLDER,
    PLACEHOLDERS,
    model_of,
    runner_of,
    texts_of,
    tools_of,
    used_in,
)

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"})
_SOURCES = {"tools_csv": "tools", "system": "system_prompt", "system_file": "system_prompt"}
_COMMAND_FLAG = re.compile(r"-[a-zA-Z]*c")


def lint_processes(blueprint: Blueprint) -> Iterator[Problem]:
    """Everything about `subprocesses`, and the agents that are run by one."""
    for number, template in enumerate(blueprint.subprocesses):
        yield from _template(template, inside("subprocesses", number))
    names = [named.name for named in blueprint.runners]
    for number, agent in enumerate(blueprint.agents):
        place = inside("agents", number)
        if agent.runner_ref is not None and agent.runner_ref not in names:
            yield _unknown("runner", agent.runner_ref, names, inside(place, "runner_ref"))
        runner = runner_of(agent, blueprint)
        if runner is not None:
            yield from _use(agent, runner, blueprint, place)
    if blueprint.default_runner is not None and blueprint.default_runner not in names:
        yield _unknown("runner", blueprint.default_runner, names, "default_runner")


def _use(agent: AgentDef, runner: SubprocessRunner, blueprint: Blueprint, place: str) -> Iterator[Problem]:
    """One agent and its template."""
    templates = {template.name: template for template in blueprint.subprocesses}
    template = templates.get(runner.template)
    if template is None:
        yield _unknown("template", runner.template, list(templates), inside(place, "runner"))
        return
    used = used_in(template)
    missing = {
        "model": model_of(agent, runner) is None,
        "tools_csv": tools_of(agent, runner) is None,
        "system": agent.profile is None,
        "system_file": agent.profile is None,
    }
    for name, lacking in missing.items():
        if lacking and name in used:
            message = f"template {template.name!r} uses {{{name}}}, which agent {agent.name!r} has not got"
            yield Problem(place, "E-PLACEHOLDER", message, f"set profile.{_SOURCES.get(name, name)}")


def _template(template: SubprocessDef, place: str) -> Iterator[Problem]:
    if not template.argv or not template.argv[0]:
        yield Problem(inside(place, "argv"), "E-FIELD-RANGE", "names no program", "begin it with a program")
        return
    for at, text in texts_of(template):
        for name in PLACEHOLDER.findall(text):
            if name not in PLACEHOLDERS:
                fix = did_you_mean(name[:60], list(PLACEHOLDERS))
                yield Problem(f"{place}.{at}", "E-PLACEHOLDER", f"unknown placeholder {{{name[:60]}}}", fix)
        if "\0" in text:
            yield Problem(f"{place}.{at}", "E-FIELD-FORM", "holds a NUL", "remove it")
    if PLACEHOLDER.search(template.argv[0]):
        yield Problem(f"{place}.argv[0]", "E-PLACEHOLDER", "the program itself is fixed", "write its name")
    yield from _shell(template.argv, place)
    if template.output is not None:
        yield from _output(template.output, inside(place, "output"))


def _shell(argv: tuple[str, ...], place: str) -> Iterator[Problem]:
    """A placeholder in a shell's command string would be run as part of it."""
    for start, word in enumerate(argv):
        if PurePath(word).name not in _SHELLS:
            continue
        for number in range(start + 1, len(argv)):
            if _COMMAND_FLAG.fullmatch(argv[number]) and number + 1 < len(argv):
                if PLACEHOLDER.search(argv[number + 1]):
                    message = "a placeholder in a shell's command would be run as part of it"
                    fix = (
                        'give it as an argument: ["sh", "-c", "tool \\"$1\\"", "sh", "{prompt}"], or as stdin'
                    )
                    yield Problem(f"{place}.argv[{number + 1}]", "E-PLACEHOLDER-SHELL", message, fix)
                return


def _output(output: ProcessOutput, place: str) -> Iterator[Problem]:
    pointers: dict[str, Any] = {"result_ptr": output.result_ptr}
    if output.ok_from != "exit_code":
        pointers["ok_from"] = output.ok_from
    for name in ("usage_ptr", "model_ptr", "num_turns_ptr") if output.stats is not None else ():
        pointers[f"stats.{name}"] = getattr(output.stats, name)
    for name, pointer in pointers.items():
        if pointer is not None and not (isinstance(pointer, str) and is_pointer(pointer)):
            message = "not a JSON pointer" + (" or exit_code" if name == "ok_from" else "")
            yield Problem(
                f"{place}.{name}", "E-FIELD-FORM", message, "write it like /result or /items/0/text"
            )


def _unknown(what: str, name: str, known: list[str], place: str) -> Problem:
    fix = did_you_mean(name[:60], known) or "declare it"
    return Problem(place, "E-RUNNER", f"no {what} is named {name[:60]!r}", fix)
