"""Secrets: named where they are used, looked up when they are, never shown (R-secret)."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NoReturn

from skep.config import home_path
from skep.errors import ConfigError
from skep.visible import UNSAFE

PREFIX = "secret:"
VARIABLE = "SKEP_SECRET_"
FOLDER = "secrets"
MAX_BYTES = 64 * 1024
SHOWN = "***"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class Secret:
    """Text that is printed as `***`; only `reveal` gives it.

    >>> print(Secret("hunter2"), [Secret("hunter2")])
    *** [Secret(***)]
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for whoever it is meant for."""
        return self._text

    def hidden_in(self, text: str) -> str:
        """`text`, which somebody else wrote who knows the secret, without it.

        >>> Secret("hunter2").hidden_in("no such key: hunter2")
        'no such key: ***'
        """
        return text.replace(self._text, SHOWN) if self._text else text

    def __str__(self) -> str:
        return SHOWN

    def __repr__(self) -> str:
        return f"Secret({SHOWN})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not stored or sent")


def find_secret(reference: str, home: Path | None = None) -> Secret:
    """The secret that `secret:NAME` names: the variable `SKEP_SECRET_NAME`, else the file `secrets/NAME` in the home.

    In the variable's name, NAME is in capitals, with `_` for `-`. The file belongs to us and nobody else may read it;
    a line end after the text is no part of it.

    Raises:
        ConfigError: it is none of these, or holds nothing or a control character. What it holds is never told.
    """
    name = reference.removeprefix(PREFIX)
    if name == reference or not _NAME.fullmatch(name):
        # It is not repeated: somebody may have given the secret itself.
        raise ConfigError("a secret is given as secret:NAME, with letters, digits, - and _ in NAME")
    variable = VARIABLE + name.upper().replace("-", "_")
    path = (home or home_path()) / FOLDER / name
    text = os.environ.get(variable)
    where = variable if text is not None else str(path)
    if text is None:
        text = _read(path, fix=f"set {variable}, or write the secret there with mode 0600")
    if not text or UNSAFE.search(text):
        raise ConfigError("a secret is one line of text", where=where)
    return Secret(text)


def _read(path: Path, fix: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigError(f"cannot read the secret: {error.strerror}", where=str(path), fix=fix) from error
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid():
            raise ConfigError("a secret is a file of ours", where=str(path), fix=fix)
        if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError("others may read the secret", where=str(path), fix=f"chmod 600 {path}")
        data = os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise ConfigError(f"a secret has at most {MAX_BYTES:,} bytes", where=str(path))
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ConfigError("a secret is text in UTF-8", where=str(path)) from None
