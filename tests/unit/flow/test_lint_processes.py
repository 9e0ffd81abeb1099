from __future__ import annotations

import pytest

from skep.flow.lint import lint
from skep.host import standard_catalog

CATALOG = standard_catalog()
RUN = {"backend": "subprocess", "template": "t"}


def document(template=None, agent=None, **fields):
    template = {"name": "t", "argv": ["tool"], **(template or {})}
    agent = {"kind": "subprocess", "runner": RUN, **(agent or {})}
    return {
        "id": "b",
        "flow": {"step": "a", "in": 1, "out": "$.x"},
        "agents": {"a": agent},
        "subprocesses": [template],
        **fields,
    }


def found(doc):
    return [(problem.place, problem.code) for problem in lint(doc, CATALOG)]


@pytest.mark.parametrize(
    "doc",
    [
        document(),
        document({"argv": ["tool", "{prompt}", "{task_id}-{attempt}", "{work_dir}"], "stdin": "{prompt}"}),
        document({"argv": ["tool", '{"json": 1}', "{Upper}", "{}"]}),
        document({"argv": ["tool", "{model}"]}, {"profile": {"model": "m"}}),
        document({"argv": ["tool", "{model}"]}, {"runner": {**RUN, "overrides": {"model": "m"}}}),
        document({"argv": ["tool", "{tools_csv}"]}, {"runner": {**RUN, "overrides": {"tools": []}}}),
        document({"argv": ["tool", "{system_file}"]}, {"profile": {"system_prompt": "Be brief."}}),
        document({"argv": ["sh", "-c", 'tool "$1"', "sh", "{prompt}"]}),
        document({"output": {"result_ptr": "/a", "ok_from": "exit_code", "stats": {"usage_ptr": "/u"}}}),
        document({"output": {"ok_from": "/ok"}}, {"spec": {"timeout": 3}}),
        document({"timeout": 3, "home": "private", "limits": {"memory": 1}, "env": {"KEY": None}}),
        document(None, {"spec": {"pull": True, "hide_handle": True, "limits": {"output_bytes": 1}}}),
        document(None, {"spec": {"home": "private", "stream_mode": "sse_events"}}),
        document(None, {"runner": None, "runner_ref": "r"}, runners=[{"name": "r", "runner": RUN}]),
        document(None, {"runner": None}, runners=[{"name": "r", "runner": RUN}], default_runner="r"),
        document(
            None,
            {"runner": None, "spec": {"program": "x"}},
            runners=[{"name": "r", "runner": RUN}],
            default_runner="r",
        ),
    ],
)
def test_good_templates(doc):
    assert found(doc) == []


@pytest.mark.parametrize(
    ("doc", "problem"),
    [
        (document({"argv": []}), ("subprocesses[0].argv", "E-FIELD-RANGE")),
        (document({"argv": [""]}), ("subprocesses[0].argv", "E-FIELD-RANGE")),
        (document({"argv": ["{prompt}"]}), ("subprocesses[0].argv[0]", "E-PLACEHOLDER")),
        (document({"argv": ["tool", "{promt}"]}), ("subprocesses[0].argv[1]", "E-PLACEHOLDER")),
        (document({"stdin": "{nobody}"}), ("subprocesses[0].stdin", "E-PLACEHOLDER")),
        (document({"env": {"A": "{nobody}"}}), ("subprocesses[0].env.A", "E-PLACEHOLDER")),
        (document({"cwd": "{nobody}"}), ("subprocesses[0].cwd", "E-PLACEHOLDER")),
        (document({"argv": ["tool", "a\0b"]}), ("subprocesses[0].argv[1]", "E-FIELD-FORM")),
        (
            document({"argv": ["sh", "-c", "echo {prompt}"]}),
            ("subprocesses[0].argv[2]", "E-PLACEHOLDER-SHELL"),
        ),
        (
            document({"argv": ["/bin/bash", "-lc", "{prompt}"]}),
            ("subprocesses[0].argv[2]", "E-PLACEHOLDER-SHELL"),
        ),
        (
            document({"argv": ["env", "A=1", "sh", "-e", "-c", "{prompt}"]}),
            ("subprocesses[0].argv[5]", "E-PLACEHOLDER-SHELL"),
        ),
        (document({"argv": ["tool", "{model}"]}), ("agents[0]", "E-PLACEHOLDER")),
        (document({"argv": ["tool", "{tools_csv}"]}), ("agents[0]", "E-PLACEHOLDER")),
        (document({"argv": ["tool", "{system}"]}), ("agents[0]", "E-PLACEHOLDER")),
        (document({"argv": ["tool", "{system_file}"]}), ("agents[0]", "E-PLACEHOLDER")),
        (document({"output": {"result_ptr": "a"}}), ("subprocesses[0].output.result_ptr", "E-FIELD-FORM")),
        (document({"output": {"ok_from": "exitcode"}}), ("subprocesses[0].output.ok_from", "E-FIELD-FORM")),
        (document({"output": {"ok_from": 3}}), ("subprocesses[0].output.ok_from", "E-FIELD-FORM")),
        (
            document({"output": {"stats": {"model_ptr": "~"}}}),
            ("subprocesses[0].output.stats.model_ptr", "E-FIELD-FORM"),
        ),
        (document({"env": {"SKEP_X": "1"}}), ("agents[0].spec.template.env", "E-FIELD-FORM")),
        (
            document({"output": {}, "stream_mode": "ndjson_lines"}),
            ("subprocesses[0].stream_mode", "E-FIELD-FORM"),
        ),
        (
            document({"output": {}}, {"spec": {"stream_mode": "ndjson_lines"}}),
            ("agents[0].spec.stream_mode", "E-FIELD-FORM"),
        ),
        (document({"limits": {"cpu": 1}}), ("subprocesses[0].limits.cpu", "E-FIELD-UNKNOWN")),
        (document({"limits": {"memory": 0}}), ("subprocesses[0].limits.memory", "E-FIELD-RANGE")),
        (document({"home": "shared"}), ("subprocesses[0].home", "E-FIELD-CHOICE")),
        (document({"pull": True}), ("subprocesses[0].pull", "E-FIELD-UNKNOWN")),
        (document(None, {"spec": {"hide_handle": True}}), ("agents[0].spec.hide_handle", "E-FIELD-FORM")),
        (document(None, {"spec": {"pull": "yes"}}), ("agents[0].spec.pull", "E-FIELD-TYPE")),
        (document(None, {"runner": {**RUN, "template": "u"}}), ("agents[0].runner", "E-RUNNER")),
        (document(None, {"runner": None, "runner_ref": "r"}), ("agents[0].runner_ref", "E-RUNNER")),
        (document(default_runner="r"), ("default_runner", "E-RUNNER")),
        (document(None, {"spec": {"program": "x"}}), ("agents[0].spec.program", "E-FIELD-UNKNOWN")),
    ],
)
def test_bad_templates(doc, problem):
    assert problem in found(doc)


def test_a_template_that_is_told_wrong_is_told_once():
    assert found(document({"argv": ["tool", "{promt}"]})) == [("subprocesses[0].argv[1]", "E-PLACEHOLDER")]


def test_programs_of_untrusted_blueprints_are_refused():
    problems = [problem.code for problem in lint(document(), CATALOG, trust="untrusted")]
    assert "E-TRUST" in problems


def test_an_untrusted_blueprint_gives_no_program_authority():
    doc = document(None, {"spec": {"pull": True}})
    problems = [(problem.place, problem.code) for problem in lint(doc, CATALOG, trust="untrusted")]
    assert ("agents[0].spec.pull", "E-TRUST") in problems


def test_a_prompt_as_the_last_argument_wants_dashes():
    def spec(**fields):
        doc = document(None, {"runner": None, "spec": {"program": "tool", "use_stdin": False, **fields}})
        return [(problem.place, problem.code, problem.severity) for problem in lint(doc, CATALOG)]

    assert spec() == [("agents[0].spec.args", "W-PROMPT-DASH", "warning")]
    assert spec(args=["-x", "--"]) == []
    assert spec(program="sh", args=["-c", 'echo "$1"', "sh"]) == []
    assert spec(use_stdin=True) == []
