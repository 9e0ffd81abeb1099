"""`alc.llm` and `alc.llm_batch`: from what a script says to queries that wait (strategy runtime, 2.1, 2.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from skep import values
from skep.errors import LimitExceeded, StrategyError
from skep.strategy.budget import Budget
from skep.strategy.calls import Call, Calls
from skep.strategy.metrics import Metrics
from skep.strategy.queries import DEFAULT_MAX_TOKENS, Query

MAX_BATCH = 10_000
"""Queries of one pause."""


class Draft(Struct, frozen=True):
    """A query as the script gave it."""

    prompt: str
    system: str | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS
    grounded: bool = False
    underspecified: bool = False
    options: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(list[Draft])


class Asking:
    """The questions of one script: each pause is recorded, and so is a refusal by the budget."""

    def __init__(
        self, calls: Calls, metrics: Metrics, budget: Budget | None, now: Callable[[], int], prefix: str
    ) -> None:
        self._calls = calls
        self._metrics = metrics
        self._budget = budget
        self._now = now
        self._prefix = prefix
        self._pauses = 0

    def ask(self, text: str) -> Sequence[Query]:
        """The queries of one pause, with their ids.

        Raises:
            StrategyError: the budget refuses; packages look for the text `budget_exceeded`.
            LimitExceeded: too many at once.
            ReplayDiverged: the record has another call here.
        """
        drafts = _decoder.decode(text)
        if len(drafts) > MAX_BATCH:
            raise LimitExceeded("max_batch", MAX_BATCH, where="alc.llm_batch", fix="ask in several batches")
        digest = values.digest(text.encode())
        self._admit(digest, len(drafts))
        self._pauses += 1
        queries = [self._query(draft, place) for place, draft in enumerate(drafts)]
        self._metrics.asked(queries, self._now())
        return queries

    def _admit(self, digest: str, number: int) -> None:
        if self._calls.coming() == "refused":
            refused = self._calls.recorded("refused", digest)
            assert refused is not None  # noqa: S101 - `coming` has just seen it
            raise StrategyError(msgspec.json.decode(refused.reply or b'""', type=str))
        if self._calls.recorded("llm", digest) is not None:
            return
        refusal = self._budget.refusal(self._metrics.spent(self._now()), number) if self._budget else None
        if refusal is not None:
            self._calls.add(Call("refused", digest, Raw(values.canonical(refusal))))
            raise StrategyError(refusal)
        self._calls.add(Call("llm", digest))

    def _query(self, draft: Draft, place: int) -> Query:
        return Query(
            id=f"{self._prefix}{self._pauses}-{place}",
            prompt=draft.prompt,
            system=draft.system,
            max_tokens=draft.max_tokens,
            grounded=draft.grounded,
            underspecified=draft.underspecified,
            options=draft.options,
        )
