"""`skep token mint` and `attenuate`: the only commands that print secrets, on stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skep.cli.bearer import TOKEN_VARIABLE, Held, TokenFile, held_tokens
from skep.cli.options import Json, Store

if TYPE_CHECKING:
    from skep.core.profiles import Grantable
    from skep.engine.acts.tokens import Minted

Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope", metavar="KIND:VALUE", help="A condition (run, task, agent, verb, seat); repeat it."
    ),
]
Ttl = Annotated[float | None, typer.Option("--ttl", metavar="S", help="Seconds that it lives.")]
Uses = Annotated[int | None, typer.Option("--uses", metavar="N", help="Calls that it is good for.")]
Label = Annotated[str | None, typer.Option("--label", help="A remark for `skep token list`.")]
Raw = Annotated[bool, typer.Option("--raw", help="Print the secret alone, one a line.")]


def mint(
    *,
    profile: Annotated[
        str | None, typer.Option(help="owner, runner, viewer, answerer or seat:NAME: one token per role.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="operator, observer, senior or worker: one token.")] = None,
    principal: Annotated[str, typer.Option(help="Whom it stands for.")] = "owner",
    scope: Scopes = None,
    ttl: Ttl = None,
    uses: Uses = None,
    label: Label = None,
    raw: Raw = False,
    as_json: Json = False,
    token_file: TokenFile = None,
    store: Store = None,
) -> None:
    """Make tokens for a principal, good for an hour unless --ttl says otherwise."""
    import asyncio

    from skep.cli.report import reported

    if (profile is None) == (role is None):
        raise typer.BadParameter("give --profile or --role, and not both")
    with reported(as_json):
        tokens = _wanted(profile, role, scope or [])
        options = {"ttl": ttl, "max_uses": uses, "label": label}
        made = asyncio.run(_mint(store, held_tokens(token_file), principal, tokens, options))
        _print(made, raw=raw, as_json=as_json)


def attenuate(
    *,
    scope: Scopes = None,
    ttl: Ttl = None,
    uses: Uses = None,
    label: Label = None,
    raw: Raw = False,
    as_json: Json = False,
    store: Store = None,
) -> None:
    """Make a narrower token from the one in SKEP_TOKEN or on stdin; it ends with that one."""
    import asyncio

    from skep.cli.report import reported

    with reported(as_json):
        made = asyncio.run(
            _attenuate(
                store, _held_token(), {"scopes": scope or [], "ttl": ttl, "max_uses": uses, "label": label}
            )
        )
        _print([made], raw=raw, as_json=as_json)


def _wanted(profile: str | None, role: str | None, scopes: Sequence[str]) -> Sequence[Grantable]:
    from skep.core.profiles import Grantable, profile_tokens
    from skep.core.scopes import ALL, parse_scopes

    if profile is not None:
        return profile_tokens(profile, scopes)
    return [Grantable(role, parse_scopes(scopes) or ALL)]  # type: ignore[arg-type] # the engine checks it


async def _mint(
    store: str | None, held: Held, principal: str, tokens: Sequence[Grantable], options: dict[str, Any]
) -> list[Minted]:
    from skep.cli.store import open_engine

    own = held.token("mint_token")
    async with open_engine(store) as engine:
        return [
            await engine.mint_token(principal, token.role, scopes=token.scopes, token=own, **options)
            for token in tokens
        ]


async def _attenuate(store: str | None, held: str, options: dict[str, Any]) -> Minted:
    from skep.cli.store import open_engine

    async with open_engine(store) as engine:
        return await engine.attenuate(held, **options)


def _held_token() -> str:
    """The caller's token: never an argument, which every user of the machine may read."""
    from skep.core.tokens import MAX_TOKEN_CHARS

    held = os.environ.get(TOKEN_VARIABLE, "").split()
    if len(held) > 1:
        raise typer.BadParameter(f"{TOKEN_VARIABLE} holds several tokens: name one to be narrowed")
    if held:
        return held[0]
    if sys.stdin.isatty():
        raise typer.BadParameter(f"put the token into {TOKEN_VARIABLE}, or pipe it in")
    return sys.stdin.read(MAX_TOKEN_CHARS + 2).strip()


def _print(made: Sequence[Minted], *, raw: bool, as_json: bool) -> None:
    from skep.cli.json_out import print_json
    from skep.cli.token_list import until

    if as_json:
        print_json({"tokens": [_row(token) for token in made]})
        return
    for token in made:
        if not raw:
            typer.echo(f"{token.role}  {token.id}  until {until(token.expire_at)}")
        typer.echo(token.text)


def _row(token: Minted) -> dict[str, Any]:
    return {
        "id": token.id,
        "principal": token.principal,
        "role": token.role,
        "scopes": token.scopes,
        "expire_at": token.expire_at,
        "max_uses": token.max_uses,
        "token": token.text,
    }
