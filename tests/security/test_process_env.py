"""A child process sees an allow-list of the host's environment and its attempt, and nothing else."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from skep import Engine, parse_blueprint
from skep.errors import BadSignature, ConfigError, SpawnError, TokenNotFound
from skep.testing.aio import in_loop, run
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.process.environment import ALLOWED, environment
from skep.workers.process.spawner import ProcessSpawner

SHOW = "import json, os; print(json.dumps(dict(os.environ)))"
SKEP = {
    "SKEP_TASK_ID": "T-0000000000000001",
    "SKEP_ATTEMPT": "3",
    "SKEP_RUN_ID": "run-0000000000000001",
    "SKEP_AGENT": "tester",
    "SKEP_IDEMPOTENCY_KEY": "run-0000000000000001:0",
    "MSE_TASK_ID": "T-0000000000000001",
    "MSE_ATTEMPT": "3",
    "MSE_CTX_AGENT": "tester",
    "MSE_TOKEN_AGENT_ID": "worker-of-T-0000000000000001",
    "MSE_TOKEN_NONCE": "0" * 32,
}
OWN = {"SKEP_MARKER", "SKEP_SCRATCH", "TMPDIR"}
SECRETS = (
    "AWS_SECRET_ACCESS_KEY",
    "OPENAI_API_KEY",
    "GITHUB_TOKEN",
    "LD_PRELOAD_X",
    "PYTHONPATH",
    "SSH_AUTH_SOCK",
    "LCX",
)


async def result_of(spawner, attempt=None):
    attempt = attempt or FakeAttempt()
    await (await spawner.spawn(make_ctx("", channel=attempt, attempt=3))).join()
    return attempt.finals[0][0]


def seen(env=None, attempt=None):
    """The environment that a real child sees."""
    return run(result_of(ProcessSpawner(sys.executable, ["-I", "-c", SHOW], env=env), attempt))


@pytest.fixture
def host(monkeypatch):
    """A host with secrets, and with everything that may be handed on."""
    for name in SECRETS:
        monkeypatch.setenv(name, "secret-value")
    for name in (*ALLOWED, "LC_ALL", "LC_TIME"):
        monkeypatch.setenv(name, os.environ.get(name) or "C")
    monkeypatch.delenv("LC_CTYPE", raising=False)  # Python sets it itself where no locale is set
    monkeypatch.setenv("SKEP_HOME", "/secret-value/home")
    monkeypatch.setenv("SKEP_TASK_ID", "T-of-an-outer-run")
    monkeypatch.setenv("MSE_TOKEN_NONCE", "secret-value")


@pytest.mark.usefixtures("host")
def test_nothing_but_the_allow_list_and_the_attempt():
    env = seen()
    assert {name: env[name] for name in SKEP} == SKEP
    assert set(env) - set(SKEP) - OWN == {*ALLOWED, "LC_ALL", "LC_TIME"}
    assert env["TMPDIR"] == env["SKEP_SCRATCH"]
    assert env["HOME"] == os.environ["HOME"]
    assert "secret-value" not in str(env)


@pytest.mark.usefixtures("host")
def test_an_agent_sets_its_own_and_names_what_it_needs_of_the_host():
    env = seen({"MODE": "fast", "OPENAI_API_KEY": None, "HOME": "/elsewhere"})
    assert (env["MODE"], env["OPENAI_API_KEY"], env["HOME"]) == ("fast", "secret-value", "/elsewhere")
    assert "GITHUB_TOKEN" not in env


def test_a_named_variable_that_the_host_lacks_is_an_error_not_a_gap():
    with pytest.raises(SpawnError, match="agent tester: environment variable NOT_SET_HERE is not set here"):
        environment(make_ctx(), {"NOT_SET_HERE": None})


def test_a_private_home_is_the_scratch_folder():
    env = run(result_of(ProcessSpawner(sys.executable, ["-I", "-c", SHOW], home="private")))
    assert env["HOME"] == env["SKEP_SCRATCH"] == env["TMPDIR"]
    assert env["HOME"] != os.environ.get("HOME")


def test_outside_a_run_there_is_no_run_id():
    assert "SKEP_RUN_ID" not in environment(make_ctx(run_id=None), {})


def test_no_capability_goes_in():
    class Secretive(FakeAttempt):
        def token(self):
            raise AssertionError("asked for the token")

        handle = worker_url = token

    assert not {"SKEP_TOKEN", "SKEP_HANDLE", "SKEP_HANDLE_FD", "SKEP_URL"} & set(seen(attempt=Secretive()))


@in_loop
async def test_what_stands_for_the_nonce_opens_nothing(tmp_path):
    spec = {
        "program": "sh",
        "args": [
            "-c",
            'echo "$MSE_TOKEN_NONCE" > "$0"; cat "$1"',
            *map(str, (tmp_path / "n", tmp_path / "go")),
        ],
    }
    os.mkfifo(tmp_path / "go")
    agent = {"name": "a", "kind": "subprocess", "spec": spec}
    flow = {"kind": "step", "ref": "a", "in": {"op": "path", "at": "$"}, "out": {"op": "path", "at": "$.out"}}
    async with Engine.open("memory:") as engine:
        handle = await engine.start(parse_blueprint({"id": "b", "agents": [agent], "flow": flow}))
        await until_written(tmp_path / "n")
        shown = (tmp_path / "n").read_text().strip()
        (task,) = engine.ledger.state.tasks.values()
        assert task.nonce
        assert shown
        assert task.nonce not in shown
        for bearer in (shown, f"wh-{shown}", task.nonce):
            with pytest.raises((BadSignature, TokenNotFound)):
                engine.verify_token(bearer, "fetch_prompt", task.id)
        await handle.cancel()


async def until_written(path):
    while not path.exists() or not path.read_text().endswith("\n"):
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "env",
    [
        {"": "x"},
        {"A=B": "x"},
        {"A\0": "x"},
        {"A": "x\0y"},
        {"SKEP_TASK_ID": "T-forged"},
        {"MSE_ATTEMPT": "9"},
    ],
)
def test_variables_that_cannot_or_may_not_be_set_are_refused(env):
    with pytest.raises(ConfigError, match="environment variable"):
        ProcessSpawner("true", env=env)


def test_a_childs_only_descriptors_are_its_three():
    code = "import os; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1])"
    with Path(__file__).open("rb") as held:
        os.set_inheritable(held.fileno(), True)
        assert run(result_of(ProcessSpawner(sys.executable, ["-I", "-c", code]))) == [0, 1, 2]


def test_a_secret_is_named_in_the_blueprint_and_reaches_the_program_alone(monkeypatch):
    monkeypatch.setenv("SKEP_SECRET_API_KEY", "hunter2")
    assert seen({"KEY": "secret:api-key"})["KEY"] == "hunter2"


@pytest.mark.parametrize("reference", ["secret:none-such", "secret:", "secret:../x", "secret:hunter2 "])
def test_a_secret_that_is_not_there_keeps_the_program_from_starting(monkeypatch, tmp_path, reference):
    monkeypatch.setenv("SKEP_HOME", str(tmp_path))
    with pytest.raises(SpawnError, match="env KEY") as caught:
        seen({"KEY": reference})
    assert "hunter2" not in str(caught.value)
