"""What a child process sees of the host's environment: an allow-list, never the rest."""

from __future__ import annotations

import os
from collections.abc import Mapping

from skep.errors import ConfigError, SpawnError
from skep.secrets import PREFIX, find_secret
from skep.workers.base import Ctx

ALLOWED = ("PATH", "HOME", "LANG", "TERM", "TZ")
"""Handed on as the host has them, and with them the locale's `LC_*`."""

_LOCALE = (
    "ADDRESS ALL COLLATE CTYPE IDENTIFICATION MEASUREMENT MESSAGES MONETARY NAME NUMERIC PAPER TELEPHONE TIME"
)
_HANDED_ON = frozenset((*ALLOWED, *(f"LC_{part}" for part in _LOCALE.split())))

RESERVED = ("SKEP_", "MSE_")

PUBLISHED = ("MSE_TOKEN_AGENT_ID", "MSE_TOKEN_NONCE", "MSE_TASK_ID", "MSE_ATTEMPT", "MSE_CTX_AGENT")
"""Names that programs written for the published engine read. What stands in `MSE_TOKEN_NONCE` tells attempts
apart as a nonce does, and opens nothing: it is a digest of ours."""

_LASTING = frozenset({"SKEP_AGENT", "MSE_CTX_AGENT", "SKEP_URL"})
"""What a program that serves many attempts is told of them; the rest comes with each."""


def check_names(env: Mapping[str, str | None]) -> None:
    """Raise `ConfigError` for a variable that cannot be set or that skep sets itself."""
    for name, value in env.items():
        if not name or "=" in name or "\0" in name or "\0" in (value or ""):
            raise ConfigError(f"environment variable {name!r} is not a name and text without NUL")
        if name.startswith(RESERVED):
            raise ConfigError(f"environment variable {name} is set by skep", fix="choose another name")


def handed_on() -> dict[str, str]:
    """What every child sees of the host's environment."""
    return {name: os.environ[name] for name in _HANDED_ON.intersection(os.environ)}


def environment(ctx: Ctx, own: Mapping[str, str | None], *, private_home: bool = False) -> dict[str, str]:
    """The child's environment, to which only what `Tree.variables` says is added.

    Args:
        ctx: the attempt, told to the child as `SKEP_*` and by the published `MSE_*` names.
        own: what the agent names; see `chosen`.
        private_home: the host's HOME is kept back.

    Raises:
        SpawnError: the host has no such variable.
    """
    env = handed_on()
    if private_home:
        env.pop("HOME", None)
    env |= chosen(own, f"agent {ctx.agent}")
    env |= {
        "SKEP_TASK_ID": ctx.task_id,
        "SKEP_ATTEMPT": str(ctx.attempt),
        "SKEP_AGENT": ctx.agent,
        "SKEP_IDEMPOTENCY_KEY": ctx.idempotency_key,
        "MSE_TASK_ID": ctx.task_id,
        "MSE_ATTEMPT": str(ctx.attempt),
        "MSE_CTX_AGENT": ctx.agent,
        "MSE_TOKEN_AGENT_ID": f"worker-of-{ctx.task_id}",
        "MSE_TOKEN_NONCE": ctx.channel.token_id(),
    }
    if ctx.run_id is not None:
        env["SKEP_RUN_ID"] = ctx.run_id
    return env


def chosen(own: Mapping[str, str | None], where: str) -> dict[str, str]:
    """The variables that `own` names; `None` stands for the host's value, `secret:NAME` for that secret.

    Raises:
        SpawnError: the host has no such variable, or no such secret.
    """
    return {name: _value(name, value, where) for name, value in own.items()}


def _value(name: str, value: str | None, where: str) -> str:
    if value is not None and value.startswith(PREFIX):
        try:
            return find_secret(value).reveal()
        except ConfigError as error:
            raise SpawnError(
                error.what, where=f"{where}: env {name}: {error.where or ''}", fix=error.fix
            ) from None
    if value is None and name not in os.environ:
        raise SpawnError(
            f"environment variable {name} is not set here",
            where=where,
            fix="export it before starting skep, or give it a value in env",
        )
    return os.environ[name] if value is None else value


def pull_variables(ctx: Ctx, *, hide_handle: bool = False) -> dict[str, str]:
    """What a program that pulls is told beside `environment`: its handle, and where the server is, if there is one.

    Whoever may read the environment of our processes sees it there, for as long as the attempt lives.
    """
    told = {} if hide_handle else {"SKEP_HANDLE": ctx.channel.handle()}
    url = ctx.channel.worker_url()
    if url is not None:
        told["SKEP_URL"] = url
    return told


def without_attempt(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a program that outlives its attempt."""
    return {name: text for name, text in env.items() if name in _LASTING or not name.startswith(RESERVED)}
