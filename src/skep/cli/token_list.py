"""`skep token list`, `revoke` and `rotate`: nothing that they print is a secret."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from skep.cli.bearer import Held, TokenFile, held_tokens
from skep.cli.options import Json, Store
from skep.cli.text import plural, visible

if TYPE_CHECKING:
    from skep.engine.tokens.listing import TokenInfo

SCOPES_SHOWN = 60


def list_tokens(*, token_file: TokenFile = None, store: Store = None, as_json: Json = False) -> None:
    """List the tokens of a store, oldest first."""
    import asyncio

    from skep.cli.report import reported

    with reported(as_json):
        tokens = asyncio.run(_list(store, held_tokens(token_file)))
    if as_json:
        from skep.cli.json_out import print_json

        print_json({"tokens": tokens})
    elif not tokens:
        typer.echo("no tokens (skep token mint --profile viewer)")
    else:
        typer.echo(
            f"{'ID':<8}  {'PRINCIPAL':<16}  {'ROLE':<8}  {'STATE':<8}  {'UNTIL':<19}  {'USES':>9}  SCOPES"
        )
        for token in tokens:
            typer.echo(_line(token))


def revoke(
    token: Annotated[
        str, typer.Argument(metavar="ID", help="As `skep token list` shows it, or its nonce's start.")
    ],
    *,
    token_file: TokenFile = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """End a token and all that were narrowed from it, also one that another process works with."""
    import asyncio

    from skep.cli.report import reported

    with reported(as_json):
        gone = asyncio.run(_revoke(store, held_tokens(token_file), token))
    if as_json:
        from skep.cli.json_out import print_json

        print_json({"revoked": gone})
    else:
        typer.echo(f"token {gone} has ended")


def rotate(
    *,
    now: Annotated[
        bool, typer.Option("--now", help="Drop the older keys: every token that is out ends at once.")
    ] = False,
    token_file: TokenFile = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Sign with a new key; older ones are kept until the last token signed with them has ended."""
    import asyncio

    from skep.cli.report import reported

    with reported(as_json):
        kept = asyncio.run(_rotate(store, held_tokens(token_file), now=now))
    if as_json:
        from skep.cli.json_out import print_json

        print_json({"kept": len(kept)})
    else:
        typer.echo(f"tokens are signed with a new key; {plural(len(kept), 'older key')} kept")


def until(expire_at: int) -> str:
    """A moment in local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(expire_at / 1000))


async def _list(store: str | None, held: Held) -> list[TokenInfo]:
    from skep.cli.store import open_engine

    async with open_engine(store) as engine:
        return await engine.list_tokens(token=held.token("list_tokens"))


async def _revoke(store: str | None, held: Held, which: str) -> str:
    from skep.cli.store import open_engine

    async with open_engine(store) as engine:
        return await engine.revoke(which, token=held.token("revoke"))


async def _rotate(store: str | None, held: Held, *, now: bool) -> tuple[str, ...]:
    from skep.cli.store import open_engine

    async with open_engine(store) as engine:
        return await engine.rotate_keys(now=now, token=held.token("rotate_keys"))


def _line(token: TokenInfo) -> str:
    uses = "any" if token.uses_left is None else f"{token.uses_left}/{token.max_uses}"
    scopes = visible(" ".join(token.scopes) or "none", SCOPES_SHOWN)
    who = visible(token.principal, 16)
    return (
        f"{token.id:<8}  {who:<16}  {token.role:<8}  {token.state:<8}  {until(token.expire_at):<19}"
        f"  {uses:>9}  {scopes}"
    )
