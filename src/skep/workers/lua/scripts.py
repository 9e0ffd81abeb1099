"""The scripts that a host has registered, with what they may call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from msgspec import Struct

from skep.errors import ConfigError, LimitExceeded
from skep.lua.limits import DEFAULT_LIMITS
from skep.lua.runner import Script
from skep.lua.syntax import check_syntax
from skep.workers.lua.bridges import EMIT, Bridge


class Registered(Struct, frozen=True):
    """A script as it was when it was registered."""

    script: Script
    host: Mapping[str, Bridge]


class LuaScripts:
    """Registered scripts by name; they are the host's own, whoever's Blueprint names them."""

    def __init__(self) -> None:
        self._scripts: dict[str, Registered] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._scripts)

    def get(self, name: str) -> Registered | None:
        return self._scripts.get(name)

    def add(self, name: str, source: str | Path, host: Mapping[str, Bridge] | None = None) -> None:
        """Register `source`, text or the path of a file that is read now; later changes of `host` change nothing.

        Raises:
            ConfigError: the name is taken, a bridge is no function or bears a name of ours, the file cannot be read.
            LuaError: a syntax error.
            LimitExceeded: the source is too long.
        """
        if name in self._scripts:
            raise ConfigError(
                f"Lua script {name!r} is registered twice", fix="give the second one another name"
            )
        bridges = dict(host or {})
        for called, bridge in bridges.items():
            if not callable(bridge) or called == EMIT:
                what = "is ours" if called == EMIT else f"is {type(bridge).__name__}, not a function"
                raise ConfigError(
                    f"host.{called} {what}", where=f"Lua script {name}", fix="name a function of yours"
                )
        script = Script(source, name) if isinstance(source, str) else Script(_read(source), source.name)
        check_syntax(script)
        self._scripts[name] = Registered(script, MappingProxyType(bridges))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(DEFAULT_LIMITS.source + 1)
        if len(data) > DEFAULT_LIMITS.source:  # cut where it may be in the middle of a character
            raise LimitExceeded("source", DEFAULT_LIMITS.source, where=path.name)
        return data.decode()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", fix="check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8", fix="save it as UTF-8") from error
