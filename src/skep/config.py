"""Where skep keeps its things: the home folder and the default store."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from skep.errors import ConfigError

HOME_VARIABLE = "SKEP_HOME"


def home_path() -> Path:
    """`SKEP_HOME`, by default `~/.skep`, as an absolute path; nothing is created or checked.

    Raises:
        ConfigError: there is no home directory to begin at.
    """
    chosen = os.environ.get(HOME_VARIABLE) or "~/.skep"
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(str(error), where=chosen, fix=f"set {HOME_VARIABLE}") from error


def open_home(path: Path | None = None) -> Path:
    """The home folder, made with mode 0700 when it is not there yet.

    Raises:
        ConfigError: it cannot be made, is no folder, belongs to another user, or others may write to it or
            to the folder that it is in (unless that has the sticky bit).
    """
    home = path or home_path()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = home.stat()
    except OSError as error:
        problem = f"home cannot be used: {error.strerror or error}"
        raise ConfigError(problem, where=str(home), fix=f"set {HOME_VARIABLE}") from error
    if state.st_uid != os.geteuid():
        raise ConfigError("home belongs to another user", where=str(home), fix=f"set {HOME_VARIABLE}")
    if state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError("home may be written by others", where=str(home), fix=f"chmod 700 {home}")
    _check_parent(home)
    return home


def _check_parent(home: Path) -> None:
    """Whoever may write to the folder around the home can put another one in its place."""
    parent = home.resolve().parent
    mode = parent.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        problem = "others may rename the home: they may write to the folder that it is in"
        raise ConfigError(problem, where=str(home), fix=f"chmod o-w {parent}")


def default_store(home: Path) -> str:
    """The URL of the store that is used when none is named.

    >>> default_store(Path("/srv/skep"))
    'sqlite:////srv/skep/skep.db'
    """
    return f"sqlite:///{home}/skep.db"
