"""Which repositories git may be asked for: decided before it is started."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from skep.errors import SourceRefused
from skep.strategy.packages.settings import PackageSettings

MAX_URL = 2_048
_PLAIN = re.compile(r"[!-~]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PORTS = {"https": 443, "http": 80, "ssh": 22, "git": 9418}
_REV = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")

Resolve = Callable[[str, int], tuple[str, ...]]
"""The addresses of a host."""


class Repository(Struct, frozen=True):
    """A place that git may be asked for. `addresses` are those that its host has, for git to use."""

    url: str
    host: str = ""
    port: int = 0
    addresses: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The last part of its path, as a package is called by default."""
        return self.url.rstrip("/").rpartition("/")[2].removesuffix(".git")


def lookup(host: str, port: int) -> tuple[str, ...]:
    """Ask the system's resolver. Raises `SourceRefused`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise SourceRefused(f"the host {host[:200]} is not known: {error}") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_repository(given: str, settings: PackageSettings, resolve: Resolve = lookup) -> Repository:
    """The repository that `given` names, `https://` where it names no protocol.

    Raises:
        SourceRefused: a protocol or a private address that the settings do not allow, a name or password in it,
            or no address at all.
    """
    text = given if _SCHEME.match(given) else f"https://{given}"
    if len(text) > MAX_URL or not _PLAIN.fullmatch(text) or "::" in text.partition("[")[0]:
        raise SourceRefused(f"{given[:200]!r} is no address of a repository")
    parts = _split(text)
    if parts.scheme not in settings.protocols:
        raise SourceRefused(
            f"packages do not come by {parts.scheme}",
            fix=f'git_protocols = ["{parts.scheme}"] in [packages] of config.toml allows it',
        )
    if parts.scheme == "file":
        return Repository(text)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    if not host or host.startswith("-"):
        raise SourceRefused(f"{given[:200]!r} names no host")
    addresses = () if host in settings.private_hosts else _public(host, resolve(host, port))
    return Repository(text, host, port, addresses)


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise SourceRefused(f"this is no address of a repository: {error}"[:200]) from error
    if parts.password is not None or (parts.username is not None and parts.scheme != "ssh"):
        raise SourceRefused(
            "an address with a name or a password in it is kept nowhere",
            fix="clone it yourself, then install the folder",
        )
    if parts.query or parts.fragment:
        raise SourceRefused("an address of a repository has neither ? nor #")
    return parts


def _public(host: str, addresses: tuple[str, ...]) -> tuple[str, ...]:
    for address in addresses:
        found = ipaddress.ip_address(address.partition("%")[0])
        inner = getattr(found, "ipv4_mapped", None) or found
        if not inner.is_global or inner.is_multicast:
            raise SourceRefused(
                f"{host[:200]} is in a private network",
                fix=f'private_hosts = ["{host[:200]}"] in [packages] of config.toml allows it',
            )
    if not addresses:
        raise SourceRefused(f"the host {host[:200]} has no address")
    return addresses


def check_rev(rev: str) -> str:
    """A branch, tag or commit that git takes for nothing else. Raises `SourceRefused`."""
    if not _REV.fullmatch(rev) or ".." in rev or "//" in rev or rev.endswith((".lock", "/", ".")):
        raise SourceRefused(f"{rev[:100]!r} is no branch, tag or commit")
    return rev
