"""`skep pkg scaffold`: a package to begin from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from skep.errors import PackageError, PackageExists
from skep.strategy.packages.names import check_new_name
from skep.strategy.packages.offers import INIT

MAX_TEXT = 1_000
_TEMPLATE = """\
--- {description}
--
-- ctx.task is what to do; ctx.result is what came of it.

local M = {{}}

M.meta = {{
  name = {name},
  version = "0.1.0",
  description = {description_text},
  category = {category},
}}

function M.run(ctx)
  if type(ctx.task) ~= "string" then
    error("{plain}: ctx.task must be a string")
  end
  local draft = alc.llm("Think it through, then answer.\\n\\n" .. ctx.task)
  ctx.result = {{
    answer = alc.llm("Task: " .. ctx.task .. "\\n\\nDraft: " .. draft .. "\\n\\nGive the final answer alone."),
    draft = draft,
  }}
  return ctx
end

return M
"""


def scaffold(
    name: str, folder: Path, *, category: str = "reasoning", description: str = ""
) -> dict[str, Any]:
    """Make `folder/name/init.lua`; returns where, in the published form.

    Raises:
        PackageError: no package may be called so, or the file cannot be written.
        PackageExists: it is there.
    """
    check_new_name(name)
    said = " ".join((description or f"{name}: a strategy")[:MAX_TEXT].split())
    text = _TEMPLATE.format(
        plain=name,
        name=_literal(name),
        description=said,
        description_text=_literal(said),
        category=_literal(category[:MAX_TEXT]),
    )
    file = folder / name / INIT
    data = text.encode()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("xb") as opened:
            opened.write(data)
    except FileExistsError as error:
        raise PackageExists("is there already", where=str(file), fix="choose another name") from error
    except OSError as error:
        raise PackageError(f"cannot be written: {error.strerror}", where=str(file)) from error
    return {"status": "ok", "path": str(file), "bytes_written": len(data)}


def _literal(text: str) -> str:
    """A Lua string: of JSON's escapes, only those that Lua has too are needed."""
    plain = "".join(max(char, " ") for char in text)
    return msgspec.json.encode(plain).decode()
