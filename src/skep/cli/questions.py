"""`skep questions`: what waits for an answer from outside."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import Json, Store
from skep.cli.text import addressed, duration, in_short, names_of, visible

if TYPE_CHECKING:
    from skep.engine.acts.questions import OpenQuestion
    from skep.engine.engine import Engine

SHOWN = 20
"""Questions of one run that its own commands name."""


def questions(
    *,
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="Only those of this run, or of the one that begins so.")
    ] = None,
    token_file: TokenFile = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """List open questions, oldest first."""
    import asyncio

    from skep.cli.json_out import print_json
    from skep.cli.report import reported

    with reported(as_json):
        found = asyncio.run(_list(store, held_tokens(token_file), run))
        if as_json:
            print_json({"questions": [_row(question) for question in found]})
        elif not found:
            typer.echo("no open questions")
        else:
            typer.echo("\n".join(_table(found, store)))


def _table(found: Sequence[OpenQuestion], store: str | None) -> list[str]:
    from skep.cli.commands import answering, command

    now = time.time() * 1000
    width = max(len(question.key) for question in found)
    lines = [f"{'KEY':<{width}}  {'RUN':<20}  {'FOR':<16}  {'LEFT':>6}  QUESTION"]
    for question in found:
        left = duration(question.deadline - now) if question.deadline is not None else "-"
        audience = visible(names_of(question.audience), 16)
        asked = in_short(question.question, 60)
        lines.append(
            f"{question.key:<{width}}  {question.run_id or '-':<20}  {audience:<16}  {left:>6}  {asked}"
        )
    seats = {answering(store, question) for question in found if question.what == "work"}
    return [*lines, "", *sorted(seats), command(store, "answer", "KEY", "VALUE")]


def told(found: Sequence[OpenQuestion], store: str | None) -> list[str]:
    """The open questions of a run for people: each with the command that answers it."""
    from skep.cli.commands import answering, command

    lines: list[str] = []
    for question in found[:SHOWN]:
        lines.append(f"{question.key} {addressed(question.audience)}: {in_short(question.question)}")
        if question.refusal is not None:
            lines.append(f"  not yours to answer: {visible(question.refusal, 300)}")
        lines.append(f"  {answering(store, question)}")
    if len(found) > SHOWN:
        lines.append(f"{len(found) - SHOWN:,} more ({command(store, 'questions')})")
    return lines


async def _list(store: str | None, held: Held, run: str | None) -> list[OpenQuestion]:
    from skep.cli.store import open_engine

    async with open_engine(store) as engine:
        run_id = (await engine.get_run(run)).run_id if run is not None else None
        return await engine.list_questions(held.token("list_questions", "resume"), run_id=run_id)


async def told_to(held: Held, engine: Engine, run_id: str) -> list[OpenQuestion]:
    """The open questions of a run that its commands name; none where the tokens held do not show them."""
    from skep.errors import AuthorityError

    try:
        return await engine.list_questions(held.token("list_questions", "resume"), run_id=run_id)
    except AuthorityError:
        return []


def _row(question: OpenQuestion) -> dict[str, Any]:
    return {
        "key": question.key,
        "run_id": question.run_id,
        "question": question.question,
        "audience": question.audience,
        "deadline": question.deadline,
    }
