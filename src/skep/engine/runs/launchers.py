"""Runs end with the explicit revocation of the token that launched them, and with nothing less (DESIGN section 5).

A run may outlive the session that launched it, and the process. Every revocation stays to be found in the
directory, so the owner of a run sees it, whichever process made it and however long ago.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from skep.errors import TokenRevoked

if TYPE_CHECKING:
    from skep.engine.questions.work import Work
    from skep.engine.runs.run import RunDriver
    from skep.journal.base import Journal

REASON = "the token that launched it was revoked"


class Launchers:
    """Watches over what the runs of this engine were launched with."""

    def __init__(self, journal: Journal, drivers: Mapping[str, RunDriver], work: Work) -> None:
        self._journal = journal
        self._drivers = drivers
        self._work = work
        self._after = 0
        self._new: set[str] = set()

    def watch(self, driver: RunDriver) -> None:
        """A run is this engine's from here on. What it was launched with may have been revoked just before."""
        self._new.update(driver.launchers)

    def revoked(self, session_id: str) -> None:
        """The token of this session has ended: so do the runs and the claims of work that descend from it."""
        self._work.revoked(session_id)
        for driver in tuple(self._drivers.values()):
            if session_id in driver.launchers:
                driver.cancel(REASON)

    async def look(self) -> None:
        """See what others have revoked since the last look, and before what was taken up since then."""
        self._new.update(self._work.take_new())
        for session_id in tuple(self._new):
            if await any_revoked(self._journal, (session_id,)):
                self.revoked(session_id)
            self._new.discard(session_id)
        if not self._work.has_claims and not any(driver.launchers for driver in self._drivers.values()):
            return
        while page := await self._journal.list_entries("revoked", after=self._after):
            self._after = page[-1].position
            for entry in page:
                self.revoked(entry.log.removeprefix("session:"))

    async def any_revoked(self, sessions: Iterable[str]) -> bool:
        """Whether the token of one of these sessions was ever revoked."""
        return await any_revoked(self._journal, sessions)


async def any_revoked(journal: Journal, sessions: Iterable[str]) -> bool:
    """Whether the token of one of these sessions was ever revoked."""
    for session_id in sessions:
        if await journal.list_entries("revoked", log=f"session:{session_id}", limit=1):
            return True
    return False


def refusal(run_id: str) -> TokenRevoked:
    """Why a run was not taken up."""
    return TokenRevoked(
        f"run {run_id} is cancelled: {REASON}", fix="start it anew with a token that is in force"
    )
