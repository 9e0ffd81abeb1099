"""Command line templates: their placeholders, and which one an agent is run by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from skep.flow.agents import AgentDef, SubprocessRunner
from skep.flow.blueprint import Blueprint
from skep.flow.parts import SubprocessDef
from skep.flow.struct_reader import to_document
from skep.values import type_of

KIND = "subprocess"

PLACEHOLDERS = ("system", "system_file", "prompt", "model", "tools_csv", "work_dir", "task_id", "attempt")

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
"""Braces around anything else are text."""


def texts_of(template: SubprocessDef) -> Iterator[tuple[str, str]]:
    """Every text of a template that may hold placeholders, with its place inside the template."""
    for number, text in enumerate(template.argv):
        yield f"argv[{number}]", text
    if template.stdin is not None:
        yield "stdin", template.stdin
    for name, text in template.env.items():
        if text is not None:
            yield f"env.{name}", text
    if template.cwd is not None:
        yield "cwd", template.cwd


def used_in(template: SubprocessDef) -> set[str]:
    """The placeholders that a template uses, known or not."""
    return {name for _, text in texts_of(template) for name in PLACEHOLDER.findall(text)}


def runner_of(agent: AgentDef, blueprint: Blueprint) -> SubprocessRunner | None:
    """The template's runner that applies to an agent: its own, its `runner_ref`, else `default_runner`.

    The default is only for agents of this kind that name no program.
    """
    if agent.kind not in (KIND, "process"):
        return None
    runner: Any = agent.runner
    name = agent.runner_ref
    if runner is None and name is None and not (type_of(agent.spec) is dict and "program" in agent.spec):
        name = blueprint.default_runner
    if runner is None and name is not None:
        runner = next((named.runner for named in blueprint.runners if named.name == name), None)
    return runner if isinstance(runner, SubprocessRunner) else None


def template_spec(agent: AgentDef, blueprint: Blueprint) -> dict[str, Any] | None:
    """The spec of an agent that is run by a template, overrides applied; `None` for any other."""
    runner = runner_of(agent, blueprint)
    if runner is None:
        return None
    template = next((one for one in blueprint.subprocesses if one.name == runner.template), None)
    if template is None:
        return None
    spec: dict[str, Any] = dict(agent.spec) if type_of(agent.spec) is dict else {}
    document = to_document(template)
    if runner.overrides.cwd is not None:
        document["cwd"] = runner.overrides.cwd
    spec["template"] = document
    model, tools = model_of(agent, runner), tools_of(agent, runner)
    if model is not None:
        spec["model"] = model
    if tools is not None:
        spec["tools"] = list(tools)
    return spec


def model_of(agent: AgentDef, runner: SubprocessRunner) -> str | None:
    """What `{model}` stands for."""
    return runner.overrides.model or (agent.profile.model if agent.profile is not None else None)


def tools_of(agent: AgentDef, runner: SubprocessRunner) -> tuple[str, ...] | None:
    """What `{tools_csv}` stands for; no tools at all only when that is said."""
    if runner.overrides.tools is not None:
        return runner.overrides.tools
    return (agent.profile.tools if agent.profile is not None else ()) or None
