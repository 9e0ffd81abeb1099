"""The result of a work item that is submitted again because its reply was lost (R-once).

What was recorded says whether it is the same, so it may be asked in any process and after any restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skep import values
from skep.core import events as ev
from skep.core.outputs import Blob, Final, Inline

if TYPE_CHECKING:
    from skep.core.outputs import ContentRef
    from skep.journal.base import Journal

PAGE = 1_000


async def ended_by(journal: Journal, key: str, handle: str, value: Any, *, ok: bool) -> str | None:
    """The log of an item that the holder of `handle`, given as its digest, ended with just this result; or null."""
    entry = await journal.find("closed", key)
    if entry is None:
        return None
    claim: ev.WorkClaimed | None = None
    final: Final | None = None
    after = 0
    while after < entry.version and (page := await journal.read(entry.log, after, PAGE)):
        for recorded in page[: entry.version - after]:
            event = recorded.event
            if isinstance(event, ev.WorkClaimed | ev.WorkReleased) and event.key == key:
                claim = event if isinstance(event, ev.WorkClaimed) else None
            elif claim is not None and isinstance(event, ev.WorkerOutput) and event.task_id == claim.task_id:
                final = event.event if isinstance(event.event, Final) else final
        after = page[-1].version
    if claim is None or claim.handle != handle or final is None or final.ok != ok:
        return None
    return entry.log if await _is_same(journal, final.content, entry.log, value) else None


async def _is_same(journal: Journal, content: ContentRef, log: str, value: Any) -> bool:
    if isinstance(content, Inline):
        data = bytes(content.value)
    elif isinstance(content, Blob):
        data = await journal.get_blob(content.sha256, log=log)
    else:
        return False  # a file, which only `emit` can name
    return values.canonical(values.decode(data)) == values.canonical(value)
