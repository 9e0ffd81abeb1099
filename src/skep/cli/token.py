"""`skep token`: making, narrowing, listing and ending tokens, without a server."""

from __future__ import annotations

import typer

from skep.cli import token_list, token_mint

app = typer.Typer(
    name="token",
    help="Make, narrow, list and revoke tokens; rotate the keys that sign them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

for name, command in {
    "mint": token_mint.mint,
    "attenuate": token_mint.attenuate,
    "list": token_list.list_tokens,
    "revoke": token_list.revoke,
    "rotate": token_list.rotate,
}.items():
    app.command(name)(command)
