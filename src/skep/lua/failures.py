"""What Lua reports of a script that did not end well, as errors of ours."""

from __future__ import annotations

import re

from skep.errors import ConversionError, LimitExceeded, LuaError, SkepError, WorkerCancelled
from skep.lua.limits import Limits

_PLACE = re.compile(r"^\s*(.{1,80}?):(\d+): ")
_OURS = ("\t?: ", "\t[C]: in ?")


def script_error(script: str, message: str, traceback: str) -> SkepError:
    """`LuaError` with name, line and the traceback without the frames of the guard."""
    lines = [line for line in traceback.strip().split("\n") if not _is_ours(line)]
    found = _PLACE.match(message) or next((place for line in lines if (place := _PLACE.match(line))), None)
    line = int(found.group(2)) if found else None
    return LuaError(message, script=script, line=line, traceback="\n".join(lines))


def refused(script: str, what: str, place: str) -> ConversionError:
    return ConversionError(
        f"{what} has no JSON form", where=f"{script}: result{place}", fix="return JSON values: docs/lua.md"
    )


def ended(script: str, reason: str, limits: Limits, cancelled: str | None) -> SkepError:
    """Why the guard has ended a script: the name of a limit, or `cancelled`."""
    if reason == "cancelled":
        return WorkerCancelled(cancelled or "cancelled")
    return LimitExceeded(reason, getattr(limits, reason), where=script)


def _is_ours(line: str) -> bool:
    return line.startswith(_OURS)
