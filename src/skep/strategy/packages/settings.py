"""What the owner allows beyond the defaults: the table `[packages]` of `SKEP_HOME/config.toml`."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from skep.errors import ConfigError
from skep.strategy.packages.layout import HomeFiles
from skep.strategy.packages.manifest import read_toml

DEFAULT_TIMEOUT = 60


class PackageSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """From where packages may come.

    Args:
        git_protocols: besides `https`, of `http ssh git file`.
        private_hosts: names and addresses from which it may be, though they lie in a private network.
        git_timeout: seconds that git may take.
    """

    git_protocols: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()
    git_timeout: float = DEFAULT_TIMEOUT

    @property
    def protocols(self) -> frozenset[str]:
        return frozenset({"https", *self.git_protocols})


def read_settings(home: HomeFiles) -> PackageSettings:
    """The settings of a home; the defaults if it says nothing. Raises `ConfigError`, `PackageError`."""
    document = read_toml(home.config)
    try:
        settings = msgspec.convert(document.get("packages", {}), PackageSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"[packages]: {error}", where=str(home.config)) from error
    unknown = sorted(settings.protocols - {"https", "http", "ssh", "git", "file"})
    if unknown:
        raise ConfigError(f"git_protocols: {unknown[0][:50]!r} is unknown", where=str(home.config))
    return settings
