"""The part of a VM that is Lua: compiled once per process, run in every new VM before any script."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from skep.lua.binding import LuaRuntime
from skep.lua.convert import BATCH
from skep.lua.limits import GRAIN, MESSAGE, POLL_SECONDS, TRACEBACK

PARTS = ("late", "guard", "values", "environment", "packages", "drive", "closed")
"""In the order in which they run; each gets the table of what the earlier ones left in it."""

LATE = ("failures", "modules", "binding", "files")
"""Those that a VM asks for when it needs them; each returns a table."""

CONSTANTS = {
    "grain": GRAIN,
    "poll_seconds": POLL_SECONDS,
    "batch": BATCH,
    "max_message": MESSAGE,
    "max_traceback": TRACEBACK,
}

ACTS = ("take", "give_more", "compile", "hook", "run", "drop", "spent")
"""What the VM calls, by `act(name, ...)`, and of `binding`: one function comes back, for each costs a new VM time."""


@cache
def boot_code() -> tuple[bytes, dict[str, bytes]]:
    """The parts as one chunk, and the late ones by name: bytecode without debug information.

    Loading text costs more than a VM may.
    """
    runtime = LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
    dump = runtime.eval(b"function(source) return string.dump(assert(load(source, '=skep')), true) end")
    constants = "\n".join(f"skep.{name} = {value}" for name, value in CONSTANTS.items())
    parts = "\n".join(f"(function(...)\n{_text(part)}\nend)(skep);" for part in PARTS)
    acts = ", ".join(f"{name} = skep.{name}" for name in ACTS)
    end = f"local acts = {{ {acts} }}\n{_text('end')}"
    main = dump(f"{_text('start')}\n{constants};\n{parts}\n{end}".encode())
    return main, {part: dump(_text(part).encode()) for part in LATE}


def _text(part: str) -> str:
    return (files(__name__) / f"{part}.lua").read_text("utf-8")
