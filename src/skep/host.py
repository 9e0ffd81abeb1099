"""The composition root: it picks the adapters and wires them; nothing below knows one (DESIGN section 4)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Self, TypeVar

from skep.clock import Clock, SystemClock
from skep.core.events import Durability
from skep.core.retry import RetryPolicy
from skep.core.roles import Role
from skep.engine.engine import Engine as BaseEngine
from skep.engine.questions.answer_schema import compile_schema
from skep.engine.runs.plan import Planner
from skep.engine.tokens.keys import KeyRing, fresh_ring, home_ring
from skep.errors import ConfigError, EngineError, SkepError
from skep.flow.agents import AgentDef, OnInterrupt
from skep.flow.blueprint import Blueprint
from skep.flow.catalog import Catalog
from skep.flow.load import Loaded
from skep.journal.base import Journal
from skep.layers.registry import LayerRegistry
from skep.layers.standard import standard_layers
from skep.limits import DEFAULT_LIMITS, Limits
from skep.workers.kinds import standard_factories, standard_kinds
from skep.workers.lua.bridges import Bridge
from skep.workers.lua.scripts import LuaScripts
from skep.workers.pool import PoolSize
from skep.workers.process.tree.registry import adopt_orphans, sweep_leftovers_aside
from skep.workers.python.agents import PythonAgents

Function = TypeVar("Function", bound=Callable[..., Any])

ALL = "all"
NONE = "none"


def standard_catalog(layers: LayerRegistry | None = None) -> Catalog:
    """Every worker kind and layer that this version knows, as lint needs them."""
    layers = layers or standard_layers()
    return Catalog(standard_kinds(), layers.hints(), _check_schema, layers.base())


def _check_schema(schema: Any) -> str | None:
    """What keeps a question's schema from checking answers."""
    try:
        compile_schema(schema)
    except SkepError as error:
        return str(error)
    return None


def open_journal(url: str, limits: Limits = DEFAULT_LIMITS) -> Journal:
    """The journal that `url` names; not yet opened.

    Raises:
        ConfigError: no adapter for it.
    """
    if url == "memory:":
        from skep.journal.memory import MemoryJournal  # noqa: PLC0415 - an adapter is loaded when it is chosen

        return MemoryJournal(limits)
    if url.startswith("sqlite:"):
        from skep.journal.sqlite import SqliteJournal  # noqa: PLC0415 - as above

        return SqliteJournal.from_url(url, limits)
    raise ConfigError(f"no store for {url!r}", fix='use "memory:" or "sqlite:///file.db"')


class Engine(BaseEngine):
    """The engine with its adapters; `Engine.open` is how one is made."""

    def __init__(
        self,
        journal: Journal,
        *,
        ring: KeyRing | None = None,
        clock: Clock | None = None,
        limits: Limits = DEFAULT_LIMITS,
        layers: LayerRegistry | None = None,
    ) -> None:
        self.agents = PythonAgents(limits)
        self.scripts = LuaScripts()
        self.layers = layers or standard_layers()
        clock = clock or SystemClock()
        self._factories = standard_factories(self.agents, self.scripts, clock)
        planner = Planner(self._factories, standard_catalog(self.layers), self.layers.link, limits, clock)
        super().__init__(journal, planner, ring or fresh_ring(), clock, limits)

    @classmethod
    def open(
        cls,
        url: str = "memory:",
        *,
        recover: str = ALL,
        home: str | Path | None = None,
        limits: Limits = DEFAULT_LIMITS,
        clock: Clock | None = None,
        layers: LayerRegistry | None = None,
        subreaper: bool = False,
    ) -> AbstractAsyncContextManager[Self]:
        """Open a store and run on it, for the length of an `async with`.

        Args:
            url: `memory:` or `sqlite:///file.db` (three slashes and a path; `?synchronous=normal` to choose).
            recover: which interrupted runs to take up: `all`, `none` or one run's id. It begins when the block
                first awaits, so agents that the block registers before are there.
            home: where the key ring lies; without one, tokens end with the process.
            limits: the bounds of this engine.
            clock: another clock than the machine's, for tests.
            layers: another registry of layers than the standard one; it is closed with the engine.
            subreaper: orphans among the descendants of this process, whoever started them, become its children
                and not those of init (Linux; for good). With it whatever leaves a worker's process tree is found
                at once, and reaped; what is not a worker's is left alone.

        Raises:
            ConfigError, SchemaTooNew, StoreCorrupt: the store cannot be used.
            RunNotFound, RunOwned: the one run to recover.

        >>> from skep import Engine, flow
        >>> async def main():
        ...     async with Engine.open("memory:") as engine:
        ...         @engine.agent("greet")
        ...         async def greet(name: str) -> str:
        ...             return f"hello {name}"
        ...         bp = flow.blueprint("hi", flow.step("greet", in_=flow.p.who, out=flow.p.said))
        ...         handle = await engine.start(bp, {"who": "you"})
        ...         return await handle.result()
        >>> asyncio.run(main())
        {'who': 'you', 'said': 'hello you'}
        """
        ring = home_ring(Path(home)) if home is not None else None
        engine = cls(open_journal(url, limits), ring=ring, clock=clock, limits=limits, layers=layers)
        if subreaper:
            adopt_orphans()
        return engine.running(recover)

    @contextlib.asynccontextmanager
    async def running(self, recover: str = ALL) -> AsyncGenerator[Self]:
        """The engine between its start and its close."""
        await self.start_up()
        try:
            if recover != NONE:
                await sweep_leftovers_aside()
            if recover == ALL:
                self.background.run(self.recover_all())
            elif recover != NONE:
                await self.resume_run(recover)
            yield self
        finally:
            try:
                await self.close()
            finally:
                async with contextlib.AsyncExitStack() as rest:
                    rest.push_async_callback(self.layers.close)
                    for factory in self._factories.values():
                        rest.push_async_callback(factory.close)

    def agent(
        self,
        name: str,
        *,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
        on_interrupt: OnInterrupt = "retry",
        persistent: bool | PoolSize = False,
    ) -> Callable[[Function], Function]:
        """Register a Python worker: `async def f(inv: Invocation)` or a plain typed function (DESIGN section 5).

        A sync function runs in a thread. Every Blueprint run by this engine may name it. With `persistent` it is
        a class instead: each of its objects serves many attempts by its `__call__`, as many objects at once as
        the `PoolSize` says; see `ObjectWorker`.

        Raises:
            ConfigError: the name is taken, or the function's parameters cannot be filled from a step's input.
        """

        def register(function: Function) -> Function:
            if persistent is False:
                self.agents.add(name, function)
            else:
                self.agents.add_class(name, function, PoolSize() if persistent is True else persistent)
            self._declare(
                AgentDef(name=name, kind="python", retry=retry, timeout=timeout, on_interrupt=on_interrupt)
            )
            return function

        return register

    def lua_script(
        self,
        name: str,
        source: str | Path,
        *,
        host: Mapping[str, Bridge] | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
        on_interrupt: OnInterrupt = "retry",
    ) -> None:
        """Register a Lua worker: text, or the path of a file that is read now.

        Steps name it as an agent, and Blueprints as the `fn_id` of a `lua` agent. The script calls
        `host.<name>(value)` for the functions in `host`, plain or async, as they are now: JSON in, JSON out, and what
        they raise is a string error in Lua.

        Raises:
            ConfigError: the name is taken, a bridge is no function, or the file cannot be read.
        """
        self.scripts.add(name, source, host)
        self._declare(
            AgentDef(
                name=name,
                kind="lua",
                spec={"fn_id": name},
                retry=retry,
                timeout=timeout,
                on_interrupt=on_interrupt,
            )
        )

    def _declare(self, agent: AgentDef) -> None:
        """Let steps name what code has registered."""
        if agent.name in self.planner.registered:
            raise ConfigError(
                f"agent {agent.name!r} is registered twice", fix="give the second one another name"
            )
        self.planner.registered[agent.name] = agent


async def run(
    blueprint: Blueprint | Loaded,
    input: Mapping[str, Any] | None = None,  # noqa: A002 - the field's word
    *,
    agents: Mapping[str, Callable[..., Any]] | None = None,
    store: str = "memory:",
    work_dir: str | Path | None = None,
    durability: Durability = "group",
    timeout: float | None = None,  # noqa: ASYNC109 - the run's deadline
) -> Any:
    """Run a Blueprint to its end and return its final ctx: the one-call form.

    Raises:
        RunFailed: it did not end `done`; and as `Engine.open` and `Engine.start`.
    """
    async with Engine.open(store, recover=NONE) as engine:
        for name, function in (agents or {}).items():
            engine.agent(name)(function)
        handle = await engine.start(
            blueprint, input, work_dir=work_dir, durability=durability, timeout=timeout
        )
        return await handle.result()


def run_sync(blueprint: Blueprint | Loaded, input: Mapping[str, Any] | None = None, **options: Any) -> Any:  # noqa: A002
    """`run` for scripts: makes an event loop of its own.

    Raises:
        EngineError: there is a running event loop: await `run` there.
    """
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        raise EngineError("run_sync was called in a running event loop", fix="await skep.run(...) instead")
    return asyncio.run(run(blueprint, input, **options))


__all__ = ["ALL", "NONE", "Engine", "Role", "open_journal", "run", "run_sync", "standard_catalog"]
