"""Values that layers keep as artifacts of a run, and find again by reference (`sink`, `input_inject`)."""

from __future__ import annotations

import re
from typing import Any

from skep import values
from skep.core.outputs import Blob
from skep.engine.ledger import Ledger
from skep.errors import BlobNotFound, ResourceNotFound

PREFIX = "out-"
_REFERENCE = re.compile(r"out-([0-9a-f]{64})")


def stage(ledger: Ledger, log: str, value: Any) -> Blob:
    """The value as an artifact of `log`, whatever its size.

    Raises:
        BadValue, LimitExceeded: it cannot be recorded.
    """
    data = values.encode(value, ledger.limits, where="set aside")
    return Blob(ledger.journal.stage_blob(data, log=log), len(data))


def reference_to(content: Blob) -> str:
    return PREFIX + content.sha256


async def recall(ledger: Ledger, log: str, reference: str) -> Any:
    """What `reference` stands for in `log`; of another log nothing is found (R-narrow).

    Raises:
        ResourceNotFound: nothing.
        BadValue: a file that is no JSON.
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise ResourceNotFound(
            f"{reference[:80]!r} is no reference to an output", fix="out- and 64 hex digits"
        )
    try:
        data = await ledger.journal.get_blob(found[1], log=log)
    except BlobNotFound as error:
        raise ResourceNotFound(f"this run has no output {reference}") from error
    return values.decode_untrusted(data, ledger.limits, where=reference)
