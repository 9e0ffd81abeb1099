from __future__ import annotations

import pytest

from skep.core.outputs import final
from skep.errors import BlueprintError, ConfigError, NotRegistered, TrustError
from skep.flow.catalog import Catalog
from skep.testing import FakeClock
from skep.testing.aio import run
from skep.testing.workers import FakeAttempt, make_ctx
from skep.workers.base import BuildEnv
from skep.workers.kinds import standard_factories, standard_kinds
from skep.workers.lua.scripts import LuaScripts
from skep.workers.operator.kind import check_operator_spec
from skep.workers.operator.spawner import OperatorSpawner
from skep.workers.process.spawner import ProcessSpawner
from skep.workers.process.spec import check_subprocess_spec
from skep.workers.python.agents import PythonAgents
from skep.workers.python.kind import PythonKind, check_python_spec


def codes(problems):
    return [(problem.place, problem.code) for problem in problems]


def test_the_catalog_knows_every_kind_and_alias():
    catalog = Catalog(standard_kinds())
    assert [kind.name for kind in catalog.kinds if kind.ready] == [
        "python",
        "subprocess",
        "lua",
        "operator",
        "strategy",
    ]
    assert {kind.name for kind in catalog.kinds if not kind.ready} == {"agent"}
    assert catalog.kind("rust_fn") is catalog.kind("python")
    assert catalog.kind("process") is catalog.kind("subprocess")
    assert catalog.kind("agent_block") is catalog.kind("agent")
    assert set(standard_factories(PythonAgents(), LuaScripts(), FakeClock())) == {
        kind.name for kind in catalog.kinds if kind.ready
    }


# -- python ------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [None, {}, {"fn_id": "identity"}, {"callable": "a.b:c.d"}])
def test_good_python_specs(spec):
    assert check_python_spec(spec, "s") == []


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ([], [("s", "E-FIELD-TYPE")]),
        ({"fn": "x"}, [("s.fn", "E-FIELD-UNKNOWN")]),
        ({"fn_id": 3}, [("s.fn_id", "E-FIELD-TYPE")]),
        ({"callable": "nope"}, [("s.callable", "E-FIELD-FORM")]),
        ({"fn_id": "a", "callable": "a:b"}, [("s", "E-FIELD-TWICE")]),
    ],
)
def test_bad_python_specs(spec, found):
    assert codes(check_python_spec(spec, "s")) == found


def work():
    return "worked"


@pytest.fixture
def agents():
    agents = PythonAgents()
    agents.add("work", work)
    return agents


def test_the_function_of_the_agents_own_name_or_of_fn_id(agents):
    kind = PythonKind(agents)
    for agent, spec in (("work", None), ("work", {}), ("other", {"fn_id": "work"})):
        assert kind.build(agent, spec, BuildEnv(trusted=False)) is agents["work"]


def test_an_unregistered_function_is_named_with_its_remedy(agents):
    with pytest.raises(NotRegistered, match=r"'wrok' is not registered.*@engine.agent\('wrok'\).*'work'"):
        PythonKind(agents).build("a", {"fn_id": "wrok"}, BuildEnv())


def test_a_callable_comes_from_the_blueprints_folder_and_needs_trust(agents, tmp_path):
    (tmp_path / "beside_it.py").write_text("def f(n: int): return n + 1")
    kind, spec = PythonKind(agents), {"callable": "beside_it:f"}
    spawner = kind.build("a", spec, BuildEnv(blueprint_dir=str(tmp_path)))
    attempt = FakeAttempt()

    async def perform():
        await (await spawner.spawn(make_ctx(2, channel=attempt))).join()

    run(perform())
    assert attempt.finals == [(3, True)]
    with pytest.raises(TrustError, match=r"agent a: .*beside_it:f"):
        kind.build("a", spec, BuildEnv(blueprint_dir=str(tmp_path), trusted=False))


def test_a_name_is_registered_once(agents):
    for name in ("work", "identity"):
        with pytest.raises(ConfigError, match=f"{name!r} is registered twice"):
            agents.add(name, work)
    with pytest.raises(ConfigError, match=r"^agent new: int is not a function"):
        agents.add("new", 3)
    assert "new" not in agents
    assert (len(agents), sorted(agents)) == (2, ["identity", "work"])


def test_a_callable_that_can_be_no_worker_is_told_with_its_agent(agents):
    with pytest.raises(ConfigError, match=r"^agent a: class int is not a function"):
        PythonKind(agents).build("a", {"callable": "builtins:int"}, BuildEnv())


def test_identity_echoes_its_prompt(agents):
    async def perform():
        attempt = FakeAttempt()
        await (await agents["identity"].spawn(make_ctx({"a": 1}, channel=attempt, agent="me"))).join()
        return attempt.finals

    assert run(perform()) == [({"by": "baseline-identity", "agent": "me", "echoed": '{"a":1}'}, True)]


# -- subprocess --------------------------------------------------------------------------------

FULL = {
    "program": "ruff",
    "args": ["check", "-", "", "--"],
    "use_stdin": False,
    "cwd": "sub",
    "env": {"A": "1", "API_KEY": None},
    "timeout": 5,
}


def test_good_process_specs():
    assert check_subprocess_spec(FULL, "s") == []
    assert isinstance(ProcessSpawner.from_spec(FULL), ProcessSpawner)
    assert check_subprocess_spec({"program": "x"}, "s") == []


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (None, [("s.program", "E-FIELD-MISSING")]),
        ("ruff", [("s", "E-FIELD-TYPE")]),
        ({"program": ""}, [("s.program", "E-FIELD-FORM")]),
        ({"program": "a\0b"}, [("s.program", "E-FIELD-FORM")]),
        ({"program": "x", "args": "-q"}, [("s.args", "E-FIELD-TYPE")]),
        (
            {"program": "x", "args": ["a", 3, "b\0", None]},
            [("s.args[1]", "E-FIELD-TYPE"), ("s.args[2]", "E-FIELD-FORM"), ("s.args[3]", "E-FIELD-TYPE")],
        ),
        ({"program": "x", "timeout": 0}, [("s.timeout", "E-FIELD-RANGE")]),
        ({"program": "x", "timeout": "5"}, [("s.timeout", "E-FIELD-TYPE")]),
        ({"program": "x", "use_stdin": "no"}, [("s.use_stdin", "E-FIELD-TYPE")]),
        ({"program": "x", "env": {"A": 1}}, [("s.env.A", "E-FIELD-TYPE")]),
        ({"program": "x", "env": {"A=B": "1"}}, [("s.env", "E-FIELD-FORM")]),
        ({"program": "x", "env": {"SKEP_RUN_ID": "1"}}, [("s.env", "E-FIELD-FORM")]),
        ({"program": "x", "stream_mode": "xml"}, [("s.stream_mode", "E-FIELD-CHOICE")]),
        ({"programm": "x"}, [("s.programm", "E-FIELD-UNKNOWN"), ("s.program", "E-FIELD-MISSING")]),
    ],
)
def test_bad_process_specs(spec, found):
    assert codes(check_subprocess_spec(spec, "s")) == found
    with pytest.raises(BlueprintError) as error:
        ProcessSpawner.from_spec(spec)
    assert codes(error.value.problems) == [("spec" + place[1:], code) for place, code in found]


@pytest.mark.parametrize("bad", [("", []), ("a\0", []), ("a", ["b\0"]), ("a", "text")])
def test_the_constructor_checks_for_itself(bad):
    with pytest.raises(ConfigError, match="without NUL"):
        ProcessSpawner(*bad)


# -- operator ----------------------------------------------------------------------------------


def test_an_operator_needs_a_seat_and_no_trust():
    assert check_operator_spec({"operator_ref": "red"}, "s") == []
    factory = standard_factories(PythonAgents(), LuaScripts(), FakeClock())["operator"]
    spawner = factory.build("a", {"operator_ref": "red"}, BuildEnv(trusted=False))
    assert (spawner.seat, spawner.runs_ahead) == ("red", False)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        (None, [("s.operator_ref", "E-FIELD-MISSING")]),
        ("red", [("s", "E-FIELD-TYPE")]),
        ({"operator_ref": ""}, [("s.operator_ref", "E-FIELD-FORM")]),
        ({"operator_ref": 3}, [("s.operator_ref", "E-FIELD-TYPE")]),
        ({"operator_ref": "red", "x": 1}, [("s.x", "E-FIELD-UNKNOWN")]),
    ],
)
def test_bad_operator_specs(spec, found):
    assert codes(check_operator_spec(spec, "s")) == found


def test_an_operator_is_offered_prompt_and_system_prompt():
    async def perform():
        attempt = FakeAttempt()
        attempt.operator = lambda attempt, _: attempt.emit(final("done"))
        spawner = OperatorSpawner("red")
        await (await spawner.spawn(make_ctx("do it", channel=attempt, system="be kind"))).join()
        return attempt

    attempt = run(perform())
    assert attempt.offered == [("red", {"system": "be kind", "prompt": "do it"})]
    assert attempt.finals == [("done", True)]


def test_a_program_needs_trust():
    factory = standard_factories(PythonAgents(), LuaScripts(), FakeClock())["subprocess"]
    assert isinstance(factory.build("a", FULL, BuildEnv()), ProcessSpawner)
    with pytest.raises(TrustError, match="agent a"):
        factory.build("a", FULL, BuildEnv(trusted=False))
