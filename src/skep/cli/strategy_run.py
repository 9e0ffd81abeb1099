"""`skep strategy run`: one strategy as a run of its own, answered by whom the command names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import Json, RunId, Store, Wait

if TYPE_CHECKING:
    from skep.cli.report import Report
    from skep.engine.engine import Engine
    from skep.engine.runs.handle import RunHandle
    from skep.flow.blueprint import Blueprint
    from skep.strategy.answerers.base import Answerer

AnswerOption = Annotated[
    str,
    typer.Option("--answer", metavar="ask|FILE|CMD", help="Who answers: you, a file of answers, a program."),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="URL#NAME", help="A model behind an OpenAI-compatible URL answers."),
]


class _Who(NamedTuple):
    """Who answers, with which tokens, and whether the command waits for others."""

    answerer: Answerer | None
    held: Held
    wait: bool


KeyOption = Annotated[str | None, typer.Option("--key", metavar="secret:NAME", help="The key of that model.")]
_LIMITS = {"calls": "max_llm_calls", "tokens": "max_tokens", "ms": "max_elapsed_ms"}


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A strategy, or a file of Lua (.lua).")],
    *,
    task: Annotated[str | None, typer.Option(metavar="T", help="The task: ctx.task.")] = None,
    ctx: Annotated[
        str | None, typer.Option("--ctx", metavar="JSON", help="ctx, a JSON object or @FILE.")
    ] = None,
    answer: AnswerOption = "ask",
    model: ModelOption = None,
    key: KeyOption = None,
    budget: Annotated[
        str | None, typer.Option(metavar="calls=N,tokens=N,ms=N", help="What it may spend.")
    ] = None,
    wait: Wait = False,
    token_file: TokenFile = None,
    store: Store = None,
    as_json: Json = False,
) -> int:
    """Run a strategy and follow it to its end."""
    import asyncio

    from skep.cli.report import reported

    with reported(as_json) as report:
        given = _ctx(task, ctx)
        blueprint = _blueprint(name, read_budget(budget))
        who = _Who(answerer_of(answer, model, key), held_tokens(token_file), wait)

        async def begin(engine: Engine) -> RunHandle:
            return await engine.start(blueprint, given, token=who.held.token("start"))

        return asyncio.run(_followed(begin, who, store, report))


def resume(
    run_id: RunId,
    *,
    answer: AnswerOption = "ask",
    model: ModelOption = None,
    key: KeyOption = None,
    wait: Wait = False,
    token_file: TokenFile = None,
    store: Store = None,
    as_json: Json = False,
) -> int:
    """Go on with a strategy that was suspended or interrupted, where it was."""
    import asyncio

    from skep.cli.report import reported

    with reported(as_json) as report:
        who = _Who(answerer_of(answer, model, key), held_tokens(token_file), wait)

        async def begin(engine: Engine) -> RunHandle:
            return await engine.resume_run(run_id, token=who.held.token("resume_run"))

        return asyncio.run(_followed(begin, who, store, report))


async def _followed(
    begin: Callable[[Engine], Awaitable[RunHandle]], who: _Who, store: str | None, report: Report
) -> int:
    """Begin a run and follow it, answered by `who`, to its end."""
    from skep.cli.follow import Following
    from skep.cli.interrupts import Interrupts
    from skep.cli.resume import flow_of
    from skep.cli.store import open_engine
    from skep.cli.strategy_answering import Answering

    async with open_engine(store, works=True) as engine:
        with Interrupts(report) as interrupts:
            handle = await begin(engine)
            report.run_id = handle.id
            asking = Answering(engine, handle.id, who.answerer, held=who.held) if who.answerer else None
            following = Following(engine, handle, store, who.held, wait=who.wait, asking=asking)
            try:
                return await following.follow(
                    await flow_of(engine, handle.id), interrupts, as_json=report.as_json
                )
            finally:
                if asking is not None:
                    await asking.close()


def answerer_of(answer: str, model: str | None, key: str | None) -> Answerer | None:
    """Who answers: `None` is whoever sits at the terminal, or anybody else through the store.

    Raises:
        ConfigError: a file that is no script of answers, a program that cannot be found, a model that is no address.
    """
    from skep.strategy.answerers.forms import answerer_from

    if model is None and key is None and answer == "ask":
        return None
    return answerer_from(model or answer, key=key)


def read_budget(text: str | None) -> dict[str, int]:
    """The limits in `calls=8,tokens=20000,ms=60000`.

    Raises:
        BadValue: something else stands there.

    >>> read_budget("calls=8,tokens=20000")
    {'max_llm_calls': 8, 'max_tokens': 20000}
    """
    from skep.errors import BadValue

    limits: dict[str, int] = {}
    for pair in filter(None, (text or "").split(",")):
        key, _, number = pair.strip().partition("=")
        if key not in _LIMITS or not (number.isascii() and number.isdigit()):
            raise BadValue(
                f"{pair!r} is no limit", where="--budget", fix="write calls=8,tokens=20000,ms=60000"
            )
        limits[_LIMITS[key]] = int(number)
    return limits


def _ctx(task: str | None, text: str | None) -> dict[str, Any]:
    from skep.cli.inputs import read_value
    from skep.errors import BadValue
    from skep.values import type_of

    given: Any = read_value(text, "--ctx") if text is not None else dict[str, Any]()
    if type_of(given) is not dict:
        raise BadValue("ctx is a JSON object", where="--ctx", fix='write {"name": value, ...}')
    return {**given, **({"task": task} if task is not None else {})}


def _blueprint(name: str, budget: dict[str, int]) -> Blueprint:
    """A Blueprint of one step: the strategy. Of a file the source is taken in, so a resumed run has the same."""
    from skep.flow.blueprint import parse_blueprint

    spec: dict[str, Any] = {"source": _source(name)} if name.endswith(".lua") else {"strategy": name}
    if budget:
        spec["budget"] = budget
    flow = {
        "kind": "step",
        "ref": "strategy",
        "in": {"op": "path", "at": "$"},
        "out": {"op": "path", "at": "$.result"},
    }
    agent = {"name": "strategy", "kind": "strategy", "spec": spec}
    identity = Path(name).stem if name.endswith(".lua") else name
    return parse_blueprint({"id": f"strategy-{identity}", "flow": flow, "agents": [agent]})


def _source(path: str) -> str:
    from skep.errors import ConfigError

    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the strategy: {error}", where=path) from error
