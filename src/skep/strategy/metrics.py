"""What a session has done: its transcript and the published figures (reference: strategy runtime, 5.2 and 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct, field, structs

from skep.strategy.budget import Budget, Spent
from skep.strategy.queries import Answer, Query, Reply
from skep.strategy.tokens import NO_TOKENS, Tokens, estimate, total


class Exchange(Struct, kw_only=True):
    """One question of the transcript, and its answer once there is one. Times are milliseconds since the epoch."""

    query_id: str
    prompt: str
    system: str | None
    prompt_tokens: Tokens
    asked_at: int
    response: str | None = None
    response_tokens: Tokens = NO_TOKENS
    answered_at: int | None = None


class Progress(Struct, frozen=True):
    """Where the script says it is; `total` 0 is unknown."""

    step: int
    total: int
    message: str | None = None


class Metrics(Struct, kw_only=True):
    """The figures of one session. `llm_calls` counts each item of a batch; characters are UTF-8 bytes, as published."""

    started_at: int
    llm_calls: int = 0
    pauses: int = 0
    rounds: int = 0
    total_prompt_chars: int = 0
    total_response_chars: int = 0
    tokens_used: int = 0
    exchanges: dict[str, Exchange] = field(default_factory=dict[str, Exchange])
    custom: dict[str, Any] = field(default_factory=dict[str, Any])
    progress: Progress | None = None

    def asked(self, queries: Sequence[Query], now: int) -> None:
        """A pause with these questions has begun."""
        self.pauses += 1
        for query in queries:
            self.llm_calls += 1
            self.total_prompt_chars += _bytes(query.prompt) + _bytes(query.system or "")
            tokens = total((estimate(query.prompt), estimate(query.system or "")))
            self.tokens_used += tokens.tokens
            self.exchanges[query.id] = Exchange(
                query_id=query.id,
                prompt=query.prompt,
                system=query.system,
                prompt_tokens=tokens,
                asked_at=now,
            )

    def answered(self, query_id: str, reply: Reply, now: int) -> None:
        """A question has its answer; what the answerer counted takes the place of the estimate."""
        exchange = self.exchanges[query_id]
        exchange.answered_at = now
        if not isinstance(reply, Answer):
            return
        estimated = exchange.prompt_tokens.tokens
        exchange.response = reply.text
        exchange.response_tokens = estimate(reply.text)
        self.total_response_chars += _bytes(reply.text)
        if reply.usage is not None:
            exchange.prompt_tokens = _counted(reply.usage.prompt_tokens, exchange.prompt_tokens)
            exchange.response_tokens = _counted(reply.usage.completion_tokens, exchange.response_tokens)
        self.tokens_used += exchange.prompt_tokens.tokens - estimated + exchange.response_tokens.tokens

    def resumed(self) -> None:
        """Every question of a pause has its answer."""
        self.rounds += 1

    @property
    def prompt_tokens(self) -> Tokens:
        return total(exchange.prompt_tokens for exchange in self.exchanges.values())

    @property
    def response_tokens(self) -> Tokens:
        return total(exchange.response_tokens for exchange in self.exchanges.values())

    def spent(self, now: int) -> Spent:
        """What a budget is held against."""
        return Spent(llm_calls=self.llm_calls, elapsed_ms=now - self.started_at, tokens=self.tokens_used)

    def stats(self, now: int, budget: Budget | None = None) -> dict[str, Any]:
        """`{"auto": ..., "custom": ...}` as a finished session shows it."""
        prompt, response = self.prompt_tokens, self.response_tokens
        auto: dict[str, Any] = {
            "elapsed_ms": now - self.started_at,
            "llm_calls": self.llm_calls,
            "pauses": self.pauses,
            "rounds": self.rounds,
            "total_prompt_chars": self.total_prompt_chars,
            "total_response_chars": self.total_response_chars,
            "prompt_tokens": msgspec.to_builtins(prompt),
            "response_tokens": msgspec.to_builtins(response),
            "total_tokens": msgspec.to_builtins(total((prompt, response))),
        }
        if budget is not None:
            auto["budget"] = {
                name: limit for name, limit in structs.asdict(budget).items() if limit is not None
            }
        return {"auto": auto, "custom": self.custom}


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _counted(count: int | None, otherwise: Tokens) -> Tokens:
    return Tokens(count, "provided") if count is not None else otherwise
