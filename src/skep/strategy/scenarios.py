"""Scenarios: Lua files below `{home}/scenarios`, by name (strategy runtime, 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from skep.errors import SkepError, StrategyError
from skep.strategy.files import check_name, is_name, locked, read, replace

MAX_SCENARIO_BYTES = 4 << 20
MAX_SCENARIOS = 10_000


class Installed(Struct, frozen=True):
    """What came of an installation: names, and for each failure its name and why."""

    installed: Sequence[str]
    skipped: Sequence[str]
    failures: Sequence[tuple[str, str]]


class Scenarios:
    """The scenarios of one home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "scenarios"

    def every(self) -> Sequence[dict[str, Any]]:
        """`{name, path, size_bytes}`, by name."""
        return [
            {"name": path.stem, "path": str(path), "size_bytes": path.stat().st_size}
            for path in _lua_files(self.folder)
        ]

    def show(self, name: str) -> dict[str, str]:
        """`{name, path, content}`.

        Raises:
            StrategyError: there is no such scenario, or it is not text.
        """
        path = self.folder / f"{check_name(name, 'scenario name')}.lua"
        data = read(path, MAX_SCENARIO_BYTES)
        if data is None:
            raise StrategyError(
                f"Scenario not found: {name}", fix=f"put it at {path}, or install a folder of them"
            )
        return {"name": name, "path": str(path), "content": _text(data, path)}

    def install(self, folder: Path) -> Installed:
        """Copy the Lua files of `folder/scenarios`, or of `folder`; those that are there already stay.

        Raises:
            StrategyError: no such folder, or it holds no scenario.
        """
        inner = folder / "scenarios"
        source = inner if inner.is_dir() else folder
        files = _lua_files(source)
        if not files:
            raise StrategyError("holds no scenarios", where=str(source), fix="give a folder with .lua files")
        installed: list[str] = []
        skipped: list[str] = []
        failures: list[tuple[str, str]] = []
        with locked(self.folder / ".lock"):
            for path in files:
                target = self.folder / path.name
                if target.exists():
                    skipped.append(path.stem)
                    continue
                try:
                    data = read(path, MAX_SCENARIO_BYTES) or b""
                    _text(data, path)
                    replace(target, data)
                    installed.append(path.stem)
                except SkepError as error:
                    failures.append((path.stem, str(error)))
        return Installed(installed, skipped, failures)


def _lua_files(folder: Path) -> Sequence[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".lua")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [
        path
        for path in found[:MAX_SCENARIOS]
        if is_name(path.stem) and path.is_file() and not path.is_symlink()
    ]


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise StrategyError("is not UTF-8 text", where=str(path)) from error
