"""The questions of one pause: answered in any order, given back in the order of issue (strategy runtime, 1.3).

The id of a query is unique within its session: `q3-0` is the first of the third pause. The published `q-N`, which
every pause began anew, is still understood as the N-th of the pause that is on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from skep.errors import UnknownQuery
from skep.strategy.queries import Query, Reply

_LEGACY = re.compile(r"q-(\d{1,9})")


class Pending:
    """What is asked and answered in one pause."""

    def __init__(self, queries: Sequence[Query]) -> None:
        self.queries = tuple(queries)
        self._replies: dict[str, Reply] = {}
        self._ids = {query.id for query in self.queries}

    @property
    def unanswered(self) -> tuple[Query, ...]:
        return tuple(query for query in self.queries if query.id not in self._replies)

    @property
    def remaining(self) -> int:
        return len(self.queries) - len(self._replies)

    @property
    def replies(self) -> tuple[Reply, ...]:
        """In the order of issue; once nothing remains."""
        return tuple(self._replies[query.id] for query in self.queries)

    def resolve(self, given: str | None) -> str:
        """The id of an unanswered query; without one, of the only one that is left.

        Raises:
            UnknownQuery: it was not asked in this pause, was answered, or it is not clear which is meant.
        """
        if given is None:
            left = self.unanswered
            if len(left) != 1:
                what = (
                    f"{len(left)} queries pending; specify query_id explicitly"
                    if left
                    else "no pending queries"
                )
                raise UnknownQuery(what)
            return left[0].id
        known = given if given in self._ids else self._legacy(given)
        if known is None:
            raise UnknownQuery(f"unknown query_id: {given[:100]}", fix="give an id that `next` gave")
        if known in self._replies:
            raise UnknownQuery(f"already responded to query_id: {given}")
        return known

    def put(self, query_id: str, reply: Reply) -> int:
        """Answer a query, by its resolved id; how many are left."""
        self._replies[query_id] = reply
        return self.remaining

    def _legacy(self, given: str) -> str | None:
        match = _LEGACY.fullmatch(given)
        place = int(match[1]) if match is not None else len(self.queries)
        return self.queries[place].id if place < len(self.queries) else None
