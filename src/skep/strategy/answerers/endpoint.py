"""The endpoint behind `Model`: calls by the `openai` package's client, and what their responses mean."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import msgspec
from msgspec import Struct
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncOpenAI,
    AsyncStream,
    OpenAIError,
)

from skep import values
from skep.strategy.answerers.model import ModelSettings
from skep.strategy.answerers.wire import Garbled, TooBig, http_client
from skep.strategy.queries import Answer, Error, Query, Reply, Usage

PATH = "/chat/completions"
SHOWN = 300
"""Characters of what an endpoint says went wrong."""


class _Said(Struct, frozen=True):
    content: str | None = None
    refusal: str | None = None


class _Choice(Struct, frozen=True):
    message: _Said = _Said()
    delta: _Said = _Said()
    finish_reason: str | None = None


class _Completion(Struct, frozen=True):
    """What is read of a completion, or of one piece of it; the rest is passed over."""

    choices: list[_Choice] = []
    usage: Usage | None = None


_completion = msgspec.json.Decoder(_Completion)


class Endpoint:
    """One endpoint and its connections."""

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(settings.concurrency)
        http = http_client(settings)
        self._client = AsyncOpenAI(
            api_key="none",  # never sent: the wire writes the header
            base_url=settings.base_url,
            max_retries=settings.retries,
            timeout=http.timeout,
            http_client=http,
        )

    async def ask(self, query: Query, body: dict[str, Any]) -> Reply:
        """The endpoint's answer, or what went wrong."""
        async with self._turns:
            try:
                async with asyncio.timeout(self._settings.timeout):
                    if self._settings.partial is not None:
                        return await self._streamed(query, body)
                    return await self._whole(body)
            except TimeoutError:
                return Error(f"model_timeout: no answer within {self._settings.timeout:g} s")
            except OpenAIError as error:
                return Error(self._told(error))
            except (ValueError, RecursionError, msgspec.MsgspecError) as error:
                return Error(self._told(Garbled(f"not a completion: {error}")))

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    # -- answers -------------------------------------------------------------------------------

    async def _whole(self, body: dict[str, Any]) -> Reply:
        response = await self._client.post(PATH, cast_to=httpx2.Response, body=body)
        completion = _completion.decode(response.content)
        if not completion.choices:
            raise Garbled("a completion without choices")
        choice = completion.choices[0]
        return self._answer(
            choice.message.content, choice.message.refusal, choice.finish_reason, completion.usage
        )

    async def _streamed(self, query: Query, body: dict[str, Any]) -> Reply:
        text: list[str] = []
        refusal: list[str] = []
        finish: str | None = None
        usage: Usage | None = None
        stream = await self._client.post(
            PATH, cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
        )
        async with stream:
            async for event in stream:
                piece = msgspec.convert(event, _Completion)
                usage = piece.usage or usage
                for choice in piece.choices[:1]:
                    finish = choice.finish_reason or finish
                    refusal.append(choice.delta.refusal or "")
                    self._take(query, choice.delta.content, text)
        if finish is None:
            raise Garbled("the stream ended before the answer did")
        return self._answer("".join(text), "".join(refusal), finish, usage)

    def _take(self, query: Query, content: str | None, text: list[str]) -> None:
        if content and self._settings.partial is not None:
            content.encode()  # a lone surrogate, which JSON can spell, goes no further
            text.append(content)
            self._settings.partial(query, content)

    def _answer(
        self, text: str | None, refusal: str | None, finish: str | None, usage: Usage | None
    ) -> Reply:
        if refusal or finish == "content_filter":
            return Error(f"model_refused: {self._clean(refusal or 'by the content filter')}")
        if not text:
            return Error(f"model_empty: no text came (finish_reason {self._clean(str(finish))})")
        return Answer(text, usage)

    # -- what goes wrong -----------------------------------------------------------------------

    def _told(self, error: OpenAIError) -> str:
        what = self._clean(str(error))
        if isinstance(error, APIStatusError):
            unavailable = error.status_code in (408, 409, 429) or error.status_code >= 500  # noqa: PLR2004 - HTTP's
            return f"model_{'unavailable' if unavailable else 'refused'}: {what}"
        if isinstance(error, TooBig):
            return f"model_too_big: {what}"
        if isinstance(error, APIConnectionError):
            return f"model_unreachable: {what} {self._clean(str(error.__cause__ or ''))}".rstrip()
        if isinstance(error, APIError):
            return f"model_unavailable: {what}"
        return f"model_garbled: {what}"

    def _clean(self, text: str) -> str:
        key = self._settings.key
        return values.clean_text(key.hidden_in(text) if key is not None else text, SHOWN)
