"""Command line templates with real programs."""

from __future__ import annotations

import os
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skep import Engine
from skep.core.outputs import Artifact, Progress
from skep.errors import RunFailed, SpawnError, WorkerFailed
from skep.flow.blueprint import parse_blueprint
from skep.flow.lint import lint
from skep.flow.parts import ProcessOutput, ProcessStats, SubprocessDef
from skep.flow.process_limits import ProcessLimits
from skep.host import standard_catalog
from skep.testing.aio import in_loop, run
from skep.testing.workers import FakeAttempt, make_ctx
from skep.values import decode
from skep.workers.process.template import TemplateSpawner

SHOW = "import json, sys; print(json.dumps([sys.argv[1:], sys.stdin.buffer.read().decode()]))"


def show(*args, **fields):
    return SubprocessDef(name="show", argv=(sys.executable, "-c", SHOW, *args), **fields)


def saying(text, code=0, **output):
    script = 'printf "%s" "$0"; echo cause >&2; exit "$1"'
    return SubprocessDef(
        name="say", argv=("sh", "-c", script, text, str(code)), output=ProcessOutput(**output)
    )


async def perform(template, given=None, *, model=None, tools=None, **fields):
    attempt = FakeAttempt()
    spawner = TemplateSpawner(template, model=model, tools=tools)
    worker = await spawner.spawn(make_ctx(given, channel=attempt, **fields))
    await worker.join()
    return attempt


async def value(*args, **fields):
    ((result, ok),) = (await perform(*args, **fields)).finals
    assert ok
    return result


# -- what a template may say beside its command ---------------------------------------------------

TOLD = "import json, os; print(json.dumps([os.environ['HOME'], os.environ['SKEP_SCRATCH'], os.environ.get('KEY')]))"


def agents(template, spec):
    """A Blueprint with one agent that is run by `template`."""
    run = {"backend": "subprocess", "template": "t"}
    return parse_blueprint(
        {
            "id": "b",
            "flow": {"step": "a", "in": "$", "out": "$.x"},
            "subprocesses": [{"name": "t", **template}],
            "agents": {"a": {"kind": "subprocess", "runner": run, "spec": spec}},
        }
    )


@in_loop
async def test_its_home_and_the_hosts_variables(monkeypatch):
    monkeypatch.setenv("KEY", "the host's")
    argv = (sys.executable, "-c", TOLD)
    home, scratch, key = await value(
        SubprocessDef(name="t", argv=argv, env={"KEY": None}, home="private"), "x"
    )
    assert (home, key) == (scratch, "the host's")
    home, scratch, key = await value(SubprocessDef(name="t", argv=argv), "x")
    assert (home, key) == (os.environ["HOME"], None)
    assert home != scratch


@in_loop
async def test_its_limits_and_timeout():
    told = SubprocessDef(
        name="t", argv=("sh", "-c", "sleep 0.3; ulimit -n"), limits=ProcessLimits(open_files=40)
    )
    assert await value(told, "x") == 40
    with pytest.raises(WorkerFailed, match="process_output_bytes"):
        await perform(SubprocessDef(name="t", argv=("yes",), limits=ProcessLimits(output_bytes=1000)), "x")
    with pytest.raises(WorkerFailed, match=r"did not end within 0\.1 s"):
        await perform(SubprocessDef(name="t", argv=("sleep", "60"), timeout=0.1), "x")


@pytest.mark.parametrize(
    ("template", "spec", "what"),
    [
        ({"argv": ["yes"]}, {"limits": {"output_bytes": 1000}}, "process_output_bytes"),
        ({"argv": ["yes"], "limits": {"output_bytes": 1000}}, {"timeout": 60}, "process_output_bytes"),
        ({"argv": ["sleep", "60"], "timeout": 60}, {"timeout": 0.1}, "did not end within"),
        ({"argv": ["echo", "no event"]}, {"stream_mode": "ndjson_lines"}, "no Final event"),
    ],
)
@in_loop
async def test_what_the_agent_says_stands_for_what_the_template_says(template, spec, what):
    blueprint = agents(template, spec)
    assert [problem for problem in lint(blueprint, standard_catalog()) if problem.severity == "error"] == []
    async with Engine.open("memory:") as engine:
        with pytest.raises(RunFailed, match=what):
            await (await engine.start(blueprint, {})).result()


# -- placeholders ------------------------------------------------------------------------------


@in_loop
async def test_every_placeholder_is_filled(tmp_path):
    words = (
        "{prompt}",
        "{system}",
        "{model}",
        "{tools_csv}",
        "{work_dir}",
        "{task_id}/{attempt}",
        "{}{Prompt}",
    )
    got = await value(
        show(*words, stdin="<{prompt}>"),
        "do it",
        system="Be brief.",
        model="m",
        tools=["a", "b"],
        work_dir=str(tmp_path),
        task_id="T-1",
        attempt=2,
    )
    assert got == [["do it", "Be brief.", "m", "a,b", str(tmp_path), "T-1/2", "{}{Prompt}"], "<do it>"]


@in_loop
async def test_without_stdin_it_is_empty_and_without_tools_the_list_is():
    assert await value(show("{tools_csv}"), "x", tools=[]) == [[""], ""]


@in_loop
async def test_the_system_prompt_as_a_file_is_there_while_the_program_runs():
    code = (
        "import sys; print([open(sys.argv[1]).read(), sys.argv[1]])".replace(
            "print(", "import json; print(json.dumps("
        )
        + ")"
    )
    template = SubprocessDef(name="t", argv=(sys.executable, "-c", code, "{system_file}"))
    text, path = await value(template, "x", system="Sei höflich.\n")
    assert text == "Sei höflich.\n"
    assert not os.path.exists(path)  # noqa: ASYNC240, PTH110 - one look


@in_loop
async def test_the_system_prompt_lies_in_the_folder_whose_files_may_be_handed_in():
    code = "import json, os, sys; print(json.dumps([sys.argv[1], os.environ['SKEP_SCRATCH']]))"
    attempt = await perform(
        SubprocessDef(name="t", argv=(sys.executable, "-c", code, "{system_file}")), system="s"
    )
    ((path, scratch), _) = attempt.finals[0]
    assert os.path.dirname(path) == scratch  # noqa: PTH120 - text
    assert attempt.folders == [scratch]


@in_loop
async def test_environment_and_folder_are_filled_too(tmp_path):
    (tmp_path / "sub").mkdir()
    code = "import json, os; print(json.dumps([os.environ['ABOUT'], os.getcwd()]))"
    argv = (sys.executable, "-c", code)
    template = SubprocessDef(name="t", argv=argv, env={"ABOUT": "{prompt}"}, cwd="{work_dir}/sub")
    assert await value(template, "it", work_dir=str(tmp_path)) == ["it", str(tmp_path / "sub")]


hostile = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
) | st.sampled_from(
    [
        "{system}",
        "{prompt}{prompt}",
        "$(touch x)",
        "`id`",
        "'; exit 3; '",
        '"',
        "a\nb",
        "-n",
        "--",
        "\\",
        "{task_id",
    ]
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(hostile, hostile)
def test_filled_text_is_never_looked_at_again(prompt, system):
    got = run(value(show("{prompt}", "x{system}y", stdin="{prompt}"), prompt, system=system))
    assert got == [[prompt, f"x{system}y"], prompt]


@pytest.mark.parametrize("name", ["system", "system_file", "model", "tools_csv", "work_dir"])
def test_a_placeholder_without_a_source_is_an_error_before_the_start(name):
    with pytest.raises(SpawnError, match=f"'show' uses {{{name}}}, and there is none"):
        run(perform(show(f"{{{name}}}"), "x"))


def test_what_no_argument_carries_is_refused():
    with pytest.raises(SpawnError, match="holds a NUL"):
        run(perform(show("{prompt}"), "a\0b"))
    with pytest.raises(SpawnError, match="an argument at most"):
        run(perform(show("{prompt}"), "x" * 140_000))


# -- output ------------------------------------------------------------------------------------

REPLY = '{"result": {"text": "hi"}, "ok": true, "no": false, "usage": {"in": 3}, "model": "m-1"}'


@in_loop
async def test_the_result_is_what_is_pointed_at():
    assert await value(saying(REPLY, result_ptr="/result/text")) == "hi"
    assert (await value(saying(REPLY)))["model"] == "m-1"


@in_loop
async def test_a_verdict_comes_from_the_exit_code_or_a_pointer():
    attempt = await perform(saying(REPLY, 3, result_ptr="/result/text"))
    assert attempt.finals == [("hi", False)]
    assert attempt.outputs[0] == Progress("exit", "exit code 3")
    assert (await perform(saying(REPLY, ok_from="/ok", result_ptr="/model"))).finals == [("m-1", True)]
    assert (await perform(saying(REPLY, ok_from="/no", result_ptr="/model"))).finals == [("m-1", False)]


@in_loop
async def test_what_was_used_is_kept_as_far_as_it_is_told():
    stats = ProcessStats(usage_ptr="/usage", model_ptr="/model", num_turns_ptr="/turns")
    attempt = await perform(saying(REPLY, stats=stats))
    (used,) = [event for event in attempt.outputs if isinstance(event, Artifact)]
    assert (used.name, decode(used.content.value)) == ("usage", {"usage": {"in": 3}, "model": "m-1"})
    assert Progress("usage", "num_turns: there is nothing at /turns") in attempt.outputs


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        (saying("no json"), "stdout: not JSON"),
        (saying("no json", 3), "exit code 3, and stdout: not JSON.*stderr ends: cause"),
        (saying(REPLY, result_ptr="/nothing"), "result_ptr: there is nothing at /nothing"),
        (saying(REPLY, ok_from="/nothing"), "ok_from: there is nothing at /nothing"),
        (saying(REPLY, ok_from="/model"), "ok_from: at /model is string, not a boolean"),
        (saying(REPLY, 3, ok_from="/ok"), "exit code 3, and its end: the program failed"),
    ],
)
def test_output_that_cannot_be_mapped_fails_the_attempt_and_says_why(template, cause):
    with pytest.raises(WorkerFailed, match=cause):
        run(perform(template))


# -- through the engine ------------------------------------------------------------------------


@in_loop
async def test_two_templates_in_a_blueprint():
    document = {
        "id": "embed",
        "subprocesses": [
            {
                "name": "cli",
                "argv": ["sh", "-c", 'printf \'{"result": "%s says: %s"}\' "$1" "$(cat)"', "sh", "{model}"],
                "stdin": "{prompt}",
                "output": {"result_ptr": "/result"},
            },
            {
                "name": "stream",
                "argv": ["sh", "-c", 'echo \'{"type":"final","content":{"kind":"inline","value":7}}\''],
                "stream_mode": "ndjson_lines",
            },
        ],
        "runners": [
            {
                "name": "small",
                "runner": {"backend": "subprocess", "template": "cli", "overrides": {"model": "m"}},
            }
        ],
        "default_runner": "small",
        "agents": {
            "ask": {"kind": "subprocess"},
            "big": {"kind": "subprocess", "runner_ref": "small", "profile": {"model": "ignored"}},
            "count": {"kind": "subprocess", "runner": {"backend": "subprocess", "template": "stream"}},
        },
        "flow": [
            {"step": "ask", "in": "$.q", "out": "$.a"},
            {"step": "big", "in": "$.q", "out": "$.b"},
            {"step": "count", "in": "$.q", "out": "$.c"},
        ],
    }
    async with Engine.open() as engine:
        handle = await engine.start(parse_blueprint(document), {"q": "why"})
        assert await handle.result() == {"q": "why", "a": "m says: why", "b": "m says: why", "c": 7}
