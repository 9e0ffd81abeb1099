"""What goes to a model's endpoint and comes back, held to bounds: headers, redirects, cookies, size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import cast
from urllib.parse import urlsplit

import httpx2
from openai import OpenAIError

from skep.strategy.answerers.model import ModelSettings, is_here

CONNECT = 10.0
"""Seconds for a connection; one that does not come may be tried again, and costs nothing."""

SENT = frozenset(
    (
        *("host", "accept", "connection", "user-agent", "idempotency-key"),
        *("content-type", "content-length", "transfer-encoding"),
    )
)
"""Headers that are sent: the client would add what stands in variables meant for another endpoint."""


class TooBig(OpenAIError):
    """The response has more bytes than it may. Of this family, so that the client takes it for final."""


class Garbled(OpenAIError):
    """Not what was asked for; final too."""


def http_client(settings: ModelSettings) -> httpx2.AsyncClient:
    """A client that lets nothing out but the query and the key, and no more in than `max_bytes`."""

    async def leave(request: httpx2.Request) -> None:
        for name in [name for name in request.headers if name.lower() not in SENT]:
            del request.headers[name]
        request.headers["accept-encoding"] = "identity"
        if settings.key is not None:
            request.headers["authorization"] = f"Bearer {settings.key.reveal()}"

    async def arrive(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise Garbled("a compressed response, which nobody asked for")
        stream = cast("httpx2.AsyncByteStream", response.stream)
        response.stream = _Bounded(stream, settings.max_bytes)

    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(None, connect=min(CONNECT, settings.timeout)),
        follow_redirects=False,
        trust_env=not is_here(urlsplit(settings.base_url).hostname or ""),  # no proxy leads back here
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        event_hooks={"request": [leave], "response": [arrive]},
    )


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
                raise TooBig(f"the response has more than {self._most:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()
