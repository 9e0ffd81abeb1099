"""Transcripts: `{home}/logs/SID.json`, and what lists need of it in `SID.meta.json` (strategy runtime, 5.5)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from skep.errors import StrategyError
from skep.strategy.files import check_name, locked, newest_first, pretty, read, replace
from skep.strategy.metrics import Metrics

LEVEL_VARIABLE = "ALC_LOG_LEVEL"
MAX_CHARS = 100_000
MAX_NOTE_CHARS = 100_000
HINT_BYTES = 100
_META = ".meta.json"
_FIGURES = (
    "elapsed_ms",
    "rounds",
    "llm_calls",
    "total_prompt_chars",
    "total_response_chars",
    "prompt_tokens",
    "response_tokens",
    "total_tokens",
)


class Logs:
    """The transcripts of one home."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "logs"

    # -- writing -------------------------------------------------------------------------------

    def write(self, session_id: str, strategy: str | None, metrics: Metrics, auto: Mapping[str, Any]) -> None:
        """Keep the transcript of a session that asked something, unless `ALC_LOG_LEVEL` is `off`.

        Args:
            session_id: names the files.
            strategy: the package, if the session was started by its name.
            metrics: whose exchanges are kept.
            auto: the published figures.

        Raises:
            StrategyError, LimitExceeded: it cannot be written.
        """
        if not metrics.exchanges or os.environ.get(LEVEL_VARIABLE, "").lower() == "off":
            return
        check_name(session_id, "session id")
        exchanges = [
            {
                "query_id": each.query_id,
                "prompt": each.prompt,
                "system": each.system,
                "response": each.response,
            }
            for each in metrics.exchanges.values()
        ]
        head = {
            "session_id": session_id,
            "strategy": strategy,
            "task_hint": _hint(exchanges[0]["prompt"] or ""),
        }
        meta = head | {name: auto.get(name) for name in _FIGURES} | {"notes_count": 0}
        with self._locked():
            replace(self._path(session_id), pretty(head | {"stats": auto, "transcript": exchanges}))
            replace(self.folder / f"{session_id}{_META}", msgspec.json.encode(meta, order="sorted"))

    def note(self, session_id: str, content: str, title: str | None = None) -> int:
        """Add a note to a transcript; how many it has.

        Raises:
            StrategyError: no such transcript, or it is broken.
        """
        if len(content) > MAX_NOTE_CHARS:
            raise StrategyError(f"a note has at most {MAX_NOTE_CHARS:,} characters")
        with self._locked():
            log = self.read(session_id)
            note = {"timestamp": int(time.time()), "title": title, "content": content}
            log["notes"] = notes = [*_array(log.get("notes")), note]
            replace(self._path(session_id), pretty(log))
            path = self.folder / f"{session_id}{_META}"
            meta = _object(path)
            if meta is not None:
                replace(path, msgspec.json.encode(meta | {"notes_count": len(notes)}, order="sorted"))
        return len(notes)

    # -- reading -------------------------------------------------------------------------------

    def every(self, limit: int = 50) -> Sequence[Mapping[str, Any]]:
        """What is known of each transcript, the newest first."""
        found = (_object(path) for _, path in newest_first(self.folder, _META)[:limit])
        return [meta for meta in found if meta is not None]

    def read(self, session_id: str) -> dict[str, Any]:
        """One transcript, whole.

        Raises:
            StrategyError: no such transcript, or it is broken.
        """
        log = _object(self._path(session_id))
        if log is None:
            raise StrategyError(f"Log file not found for session '{session_id}'")
        return log

    def view(self, session_id: str, max_chars: int = MAX_CHARS) -> dict[str, Any]:
        """One transcript, its oldest rounds left out until it has at most `max_chars` characters; 0 is no bound."""
        log = self.read(session_id)
        rounds = _array(log.get("transcript"))
        kept = len(rounds)
        while max_chars and kept and _chars(log) > max_chars:
            kept = kept // 2 if kept > 8 else kept - 1  # noqa: PLR2004 - quickly, then closely
            log |= {
                "transcript": rounds[len(rounds) - kept :],
                "truncated": True,
                "original_rounds": len(rounds),
                "returned_rounds": kept,
            }
        return log

    def stats(self, strategy: str | None = None, days: float | None = None) -> dict[str, Any]:
        """What sessions have cost, by strategy; of one strategy or the last `days` only."""
        since = 0.0 if days is None else time.time() - days * 86_400
        groups: dict[str, list[dict[str, Any]]] = {}
        for written, path in newest_first(self.folder, _META):
            meta = _object(path) if written >= since else None
            if meta is not None and strategy in (None, meta.get("strategy")):
                groups.setdefault(str(meta.get("strategy") or "unknown"), []).append(meta)
        return {
            "total_sessions": sum(map(len, groups.values())),
            "strategies": {name: _figures(groups[name]) for name in sorted(groups)},
        }

    def _path(self, session_id: str) -> Path:
        return self.folder / f"{check_name(session_id, 'session id')}.json"

    def _locked(self) -> Any:
        return locked(self.folder / ".lock")


def _hint(prompt: str) -> str:
    data = prompt.encode()
    return prompt if len(data) <= HINT_BYTES else data[:HINT_BYTES].decode(errors="ignore") + "..."


def _object(path: Path) -> dict[str, Any] | None:
    data = read(path)
    try:
        return None if data is None else msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise StrategyError(f"is no log: {error}", where=str(path), fix="move it away") from error


def _array(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _chars(log: Mapping[str, Any]) -> int:
    return len(pretty(log).decode())


def _figures(metas: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    def total(name: str) -> int:
        return sum(_number(meta.get(name)) for meta in metas)

    averages = {
        f"avg_{name}": round(total(name) / len(metas)) for name in ("elapsed_ms", "llm_calls", "rounds")
    }
    sums = {
        "total_prompt_chars": "total_prompt_chars",
        "total_response_chars": "total_response_chars",
        "total_prompt_tokens": "prompt_tokens",
        "total_response_tokens": "response_tokens",
        "total_tokens": "total_tokens",
    }
    return {"count": len(metas), **averages, **{name: total(of) for name, of in sums.items()}}


def _number(value: Any) -> int:
    """A figure, or the count in `{"tokens", "source"}`; one that is missing in an old file is 0."""
    if isinstance(value, dict):
        value = cast("dict[str, Any]", value).get("tokens")
    return int(value) if isinstance(value, (int, float)) else 0
