"""Uses of tokens that have only so many: held while a call goes on, spent when it was not refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

from skep.core.tokens import TokenRecord
from skep.errors import SkepError, TokenUsesExhausted

Limited = Sequence[tuple[str, TokenRecord]]
"""A token and those that it was narrowed from, as far as their uses are counted, by nonce."""


class Uses:
    """What calls that go on hold; `spend` records uses, after `check_owned` has let them be recorded."""

    def __init__(
        self, check_owned: Callable[[TokenRecord], None], spend: Callable[[Sequence[str]], None]
    ) -> None:
        self._check_owned = check_owned
        self._spend = spend
        self._held: Counter[str] = Counter()

    def check(self, limited: Limited) -> None:
        """Raises `TokenUsesExhausted` when one of them has no use left that no other call holds."""
        for nonce, record in limited:
            if record.uses_left is not None and record.uses_left <= self._held[nonce]:
                raise TokenUsesExhausted("token uses exhausted")

    def take(self, limited: Limited) -> None:
        """Spend a use at once."""
        for _, record in limited:
            self._check_owned(record)
        self._spend([nonce for nonce, _ in limited])

    @contextmanager
    def hold(self, limited: Limited) -> Generator[None]:
        """A use is spent at the end, unless the call was refused; nobody else has it meanwhile."""
        self.check(limited)
        for _, record in limited:
            self._check_owned(record)
        nonces = [nonce for nonce, _ in limited]
        self._held.update(nonces)
        refused = False
        try:
            yield
        except SkepError:
            refused = True
            raise
        finally:
            self._held.subtract(nonces)
            self._held = +self._held
            if not refused:
                self._spend(nonces)
