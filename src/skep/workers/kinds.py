"""Every worker kind that this version knows: what lint needs of it, and what builds its spawners."""

from __future__ import annotations

from collections.abc import Mapping

from skep.clock import Clock
from skep.flow.catalog import KindInfo
from skep.workers.base import AgentFactory
from skep.workers.lua.kind import LuaKind
from skep.workers.lua.scripts import LuaScripts
from skep.workers.lua.spec import check_lua_code, check_lua_spec
from skep.workers.operator.kind import OperatorKind, check_operator_spec
from skep.workers.process.kind import ProcessKind
from skep.workers.process.spec import check_subprocess_spec
from skep.workers.python.agents import PythonAgents
from skep.workers.python.kind import PythonKind, check_python_spec
from skep.workers.strategy.kind import StrategyKind
from skep.workers.strategy.spec import UNTRUSTED_KEYS, check_strategy_spec


def standard_kinds() -> tuple[KindInfo, ...]:
    """The kinds for a catalog; those not `ready` are known but cannot be started yet."""
    return (
        KindInfo(
            name="python",
            aliases=("rust_fn",),
            check=check_python_spec,
            untrusted_keys=frozenset({"fn_id"}),
        ),
        KindInfo(name="subprocess", aliases=("process",), check=check_subprocess_spec),
        KindInfo(
            name="lua",
            check=check_lua_spec,
            check_code=check_lua_code,
            untrusted_keys=frozenset({"source", "name", "fn_id"}),
        ),
        KindInfo(name="operator", check=check_operator_spec, untrusted_keys=frozenset({"operator_ref"})),
        KindInfo(name="strategy", check=check_strategy_spec, untrusted_keys=UNTRUSTED_KEYS),
        KindInfo(name="agent", aliases=("agent_block",), ready=False),
    )


def standard_factories(agents: PythonAgents, scripts: LuaScripts, clock: Clock) -> Mapping[str, AgentFactory]:
    """What builds the spawners of each ready kind, by its name."""
    return {
        "python": PythonKind(agents),
        "subprocess": ProcessKind(),
        "lua": LuaKind(scripts),
        "operator": OperatorKind(),
        "strategy": StrategyKind(clock),
    }
