from __future__ import annotations

import pytest
from tests.unit.layers.test_stack import Base, Noting, perform

from skep.errors import BlueprintError, ConfigError
from skep.flow.agents import AgentDef
from skep.flow.blueprint import parse_blueprint
from skep.flow.catalog import Catalog, HintInfo, any_spec
from skep.flow.parts import LayerHint
from skep.layers.audit import Audit
from skep.layers.registry import LayerRegistry, always
from skep.layers.standard import standard_layers
from skep.testing.aio import in_loop
from skep.workers.layer_env import LayerEnv

AGENT = AgentDef(name="a", kind="python")
ENV = LayerEnv(agent=AGENT)


def hints(*keys):
    return [key if isinstance(key, LayerHint) else LayerHint(key) for key in keys]


@in_loop
async def test_a_spawn_passes_hints_then_base_layers_each_from_the_last():
    notes = []
    registry = LayerRegistry()
    for name in ("b1", "b2"):
        registry.with_base(name, always(lambda name=name: Noting(name, notes)))
    for name in ("h1", "h2"):
        registry.with_hint(name, always(lambda name=name: Noting(name, notes)))
    await perform(registry.link(hints("h2", "h1"), ENV)(Base()))
    assert notes[:4] == ["before h1", "before h2", "before b2", "before b1"]
    assert notes[4:] == ["after b1", "after b2", "after h2", "after h1"]


@in_loop
async def test_the_projects_alias_is_outermost():
    blueprint = parse_blueprint(
        {"id": "x", "flow": [], "agents": [], "metadata": {"project_name_alias": "hive"}}
    )
    wrap = standard_layers().link(hints("audit"), LayerEnv(agent=AGENT, blueprint=blueprint))
    base = Base()
    stack = wrap(base)
    await perform(stack)
    assert stack.names == ("project_name_alias", "audit")
    assert base.seen[0].meta == {"project_name_alias": "hive"}


def test_a_factory_gets_options_and_surroundings_once_for_all_spawners():
    made = []

    def factory(options, env):
        made.append((options, env))
        return Audit()

    registry = LayerRegistry()
    registry.with_base(HintInfo(key="b", check=any_spec), factory, {"n": 1})
    registry.with_hint("h", factory)
    wrap = registry.link([LayerHint("h", {"n": 2})], ENV)
    assert wrap(Base()).names == wrap(Base()).names == ("audit", "audit")
    assert made == [({"n": 1}, ENV), ({"n": 2}, ENV)]


def test_without_layers_the_base_stays_itself():
    base = Base()
    assert standard_layers().link([], ENV)(base) is base


@pytest.mark.parametrize(
    ("listed", "text"),
    [
        (["audti"], "'audti' is provided by nobody.*did you mean 'audit'"),
        (["audit", "audit"], "'audit' is listed twice"),
    ],
)
def test_hints_that_cannot_be_obeyed_are_errors(listed, text):
    with pytest.raises(BlueprintError, match=text):
        standard_layers().link(hints(*listed), ENV)


def test_a_layer_that_repeats_is_applied_as_often_as_it_is_listed():
    registry = LayerRegistry().with_hint(HintInfo(key="r", repeats=True), always(Audit))
    assert registry.link(hints("r", "r"), ENV)(Base()).names == ("audit", "audit")


def test_a_hint_has_one_layer():
    with pytest.raises(ConfigError, match="registered twice"):
        standard_layers().with_hint("audit", always(Audit))


def test_options_of_a_base_layer_are_checked_when_it_is_registered():
    with pytest.raises(ConfigError, match="unknown option 'n'"):
        LayerRegistry().with_base("b", always(Audit), {"n": 1})


def test_a_catalog_learns_hints_and_base_layers():
    registry = LayerRegistry().with_base("b", always(Audit)).with_hint("h", always(Audit))
    catalog = Catalog((), registry.hints(), base=registry.base())
    assert [info.key for info in (*catalog.hints, *catalog.base)] == ["h", "b"]


@in_loop
async def test_closing_reaches_every_layer_once_whatever_one_raises():
    closed = []

    async def good():
        closed.append("good")

    async def bad():
        closed.append("bad")
        raise ValueError("no")

    registry = LayerRegistry()
    registry.with_base("b", always(Audit), close=good).with_hint("h", always(Audit), close=bad)
    with pytest.raises(ValueError, match="no"):
        await registry.close()
    assert closed == ["bad", "good"]
    await registry.close()
    assert closed == ["bad", "good"]
