"""What a strategy asks and how it is answered (reference: strategy runtime, 2.1 and 5.3)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

DEFAULT_MAX_TOKENS = 1_024

Count = Annotated[int, Meta(ge=0, le=2**53)]
"""What can be summed and still be written as JSON."""


class Query(Struct, frozen=True, kw_only=True):
    """One prompt that waits for an answer. `id` is unique within its session."""

    id: str
    prompt: str
    system: str | None = None
    max_tokens: int = DEFAULT_MAX_TOKENS
    grounded: bool = False
    """The answer should rest on evidence from outside."""
    underspecified: bool = False
    """The prompt depends on an intent that a model cannot infer."""
    options: dict[str, Any] = {}
    """Every other option that the package gave, such as `temperature` or `model`."""


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens as whoever answered counted them."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None


class Answer(Struct, frozen=True):
    """An answer with what it cost; a plain string answers as well."""

    text: str
    usage: Usage | None = None


class Error(Struct, frozen=True):
    """There is no answer: `alc.llm` raises `message`, which the package may catch."""

    message: str


Reply = Answer | Error
