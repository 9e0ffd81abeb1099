"""The wire below `Model`: the `openai` package's client, and bounds around what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast
from urllib.parse import urlsplit

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
from skep.strategy.answerers.model import ModelSettings, is_here
from skep.strategy.queries import Answer, Error, Query, Reply, Usage

PATH = "/chat/completions"
CONNECT = 10.0
"""Seconds for a connection; one that does not come may be tried again, and costs nothing."""
SHOWN = 300
"""Characters of what an endpoint says went wrong."""

SENT = frozenset(
    [
        "host",
        "accept",
        "connection",
        "content-type",
        "content-length",
        "transfer-encoding",
        "user-agent",
        "idempotency-key",
    ]
)
"""Headers that are sent: the client would add what stands in variables meant for another endpoint."""


class _TooBig(OpenAIError):
    """Of this family, so that the client takes it for final."""


class _Garbled(OpenAIError):
    """Not what was asked for; final too."""


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
        timeout = httpx2.Timeout(None, connect=min(CONNECT, settings.timeout))
        self._client = AsyncOpenAI(
            api_key="none",  # never sent: `_leave` writes the header
            base_url=settings.base_url,
            max_retries=settings.retries,
            timeout=timeout,
            http_client=httpx2.AsyncClient(
                timeout=timeout,
                follow_redirects=False,
                trust_env=not is_here(urlsplit(settings.base_url).hostname or ""),  # no proxy leads back here
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
                event_hooks={"request": [self._leave], "response": [self._arrive]},
            ),
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
                return Error(self._told(_Garbled(f"not a completion: {error}")))

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    # -- answers -------------------------------------------------------------------------------

    async def _whole(self, body: dict[str, Any]) -> Reply:
        response = await self._client.post(PATH, cast_to=httpx2.Response, body=body)
        completion = _completion.decode(response.content)
        if not completion.choices:
            raise _Garbled("a completion without choices")
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
            raise _Garbled("the stream ended before the answer did")
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
        if isinstance(error, _TooBig):
            return f"model_too_big: {what}"
        if isinstance(error, APIConnectionError):
            return f"model_unreachable: {what} {self._clean(str(error.__cause__ or ''))}".rstrip()
        if isinstance(error, APIError):
            return f"model_unavailable: {what}"
        return f"model_garbled: {what}"

    def _clean(self, text: str) -> str:
        key = self._settings.key
        return values.clean_text(key.hidden_in(text) if key is not None else text, SHOWN)

    # -- the wire ------------------------------------------------------------------------------

    async def _leave(self, request: httpx2.Request) -> None:
        for name in [name for name in request.headers if name.lower() not in SENT]:
            del request.headers[name]
        request.headers["accept-encoding"] = "identity"
        if self._settings.key is not None:
            request.headers["authorization"] = f"Bearer {self._settings.key.reveal()}"

    async def _arrive(self, response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise _Garbled("a compressed response, which nobody asked for")
        stream = cast("httpx2.AsyncByteStream", response.stream)
        response.stream = _Bounded(stream, self._settings.max_bytes)


class _Bounded(httpx2.AsyncByteStream):
    """The bytes of a response, up to a limit."""

    def __init__(self, stream: httpx2.AsyncByteStream, most: int) -> None:
        self._stream = stream
        self._most = most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._most
        async for chunk in self._stream:
            left -= len(chunk)
            if left < 0:
                raise _TooBig(f"the response has more than {self._most:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
