"""`Model`: any OpenAI-compatible endpoint answers. Needs the extra `models`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import urlsplit

from msgspec import Struct

from skep.errors import ConfigError
from skep.secrets import Secret, find_secret
from skep.strategy.answerers.base import MAX_ANSWER_BYTES
from skep.strategy.queries import Error, Query, Reply
from skep.visible import UNSAFE

if TYPE_CHECKING:
    from skep.strategy.answerers.endpoint import Endpoint

log = logging.getLogger("skep.strategy")

Partial = Callable[[Query, str], object]
"""Gets each piece of an answer while it comes."""

OURS = frozenset({"messages", "stream", "stream_options", "n"})
"""What a query may not say: one query is one prompt and one answer."""
RUNTIME = frozenset({"cache_key", "cache_skip"})
"""Options for the runtime's own calls, which no endpoint knows."""


class ModelSettings(Struct, frozen=True, kw_only=True):
    """See `Model`."""

    base_url: str
    model: str
    key: Secret | None = None
    options: dict[str, Any] = {}
    limit_option: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    timeout: float = 300.0
    retries: int = 2
    concurrency: int = 8
    max_bytes: int = MAX_ANSWER_BYTES
    partial: Partial | None = None


class Model:
    """Sends each query to an OpenAI-compatible endpoint, as one call of `chat/completions`.

    The query's options are sent as they are, those that nobody here knows too; its `model` stands for the one given
    here. `grounded` and `underspecified` are for others: a bare model can do nothing about them.

    Whatever goes wrong at the endpoint is an `Error`, which the strategy may catch; it begins with one of
    `model_timeout model_unreachable model_refused model_unavailable model_garbled model_too_big model_empty
    model_bad_option`. 408, 409, 429, 5xx and lost connections are tried again, `retries` times, after the time that
    `Retry-After` says; where it says more than two minutes, not at all. Redirects are not followed.

    It belongs to one event loop, and is closed there: `close`, or `async with`.

    Args:
        base_url: what comes before `/chat/completions`.
        model: the model's name.
        key: `secret:NAME` (see `skep.secrets.find_secret`); without one, no `Authorization` is sent. Nothing is taken
            from the variables that the `openai` package knows.
        options: sent with each query that does not say otherwise.
        limit_option: how the endpoint calls the limit on tokens.
        timeout: seconds for each query once it has its turn, with all tries and the time between.
        retries: tries after the first.
        concurrency: queries at the same time; others wait for their turn.
        max_bytes: of a response, everything around the text included.
        partial: called with each piece of each answer; the endpoint is then asked to stream.

    Raises:
        ConfigError: one of these cannot be used, there is no such secret, or the extra is not installed.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        key: str | Secret | None = None,
        options: Mapping[str, Any] | None = None,
        limit_option: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        timeout: float = 300.0,
        retries: int = 2,
        concurrency: int = 8,
        max_bytes: int = MAX_ANSWER_BYTES,
        partial: Partial | None = None,
    ) -> None:
        if not model or UNSAFE.search(model):
            raise ConfigError("a model has a name", where=base_url)
        if timeout <= 0 or retries < 0 or concurrency < 1 or max_bytes < 1:
            raise ConfigError(
                "timeout, concurrency and max_bytes are more than 0, retries not less", where=model
            )
        secret = find_secret(key) if isinstance(key, str) else key
        self._settings = ModelSettings(
            base_url=_checked_url(base_url, secret),
            model=model,
            key=secret,
            options=dict(options or {}),
            limit_option=limit_option,
            timeout=timeout,
            retries=retries,
            concurrency=concurrency,
            max_bytes=max_bytes,
            partial=partial,
        )
        self._endpoint: Endpoint = _endpoint(self._settings)

    async def __call__(self, query: Query) -> Reply:
        refused = sorted(OURS & query.options.keys())
        if refused:
            return Error(f"model_bad_option: {', '.join(refused)} cannot be chosen by a query")
        return await self._endpoint.ask(query, body_of(query, self._settings))

    async def close(self) -> None:
        """Close its connections."""
        await self._endpoint.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Model({self._settings.base_url!r}, {self._settings.model!r})"


def body_of(query: Query, settings: ModelSettings) -> dict[str, Any]:
    """What is sent.

    >>> settings = ModelSettings(base_url="http://localhost/v1", model="small", options={"seed": 7})
    >>> body_of(Query(id="q1-0", prompt="Why?", options={"top_p": 0.5}), settings)
    {'model': 'small', 'max_tokens': 1024, 'seed': 7, 'top_p': 0.5, 'messages': [{'role': 'user', 'content': 'Why?'}]}
    """
    said = settings.options | {name: value for name, value in query.options.items() if name not in RUNTIME}
    tokens = {} if "max_completion_tokens" in said else {settings.limit_option: query.max_tokens}
    messages = [{"role": "system", "content": query.system}] if query.system is not None else []
    messages.append({"role": "user", "content": query.prompt})
    streamed = (
        {"stream": True, "stream_options": {"include_usage": True}} if settings.partial is not None else {}
    )
    return {"model": settings.model, **tokens, **said, "messages": messages, **streamed}


def _endpoint(settings: ModelSettings) -> Endpoint:
    try:
        from skep.strategy.answerers.endpoint import Endpoint  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise ConfigError(
            f"a model needs a package that is not installed: {error.name}", fix="pip install 'skep[models]'"
        ) from error
    return Endpoint(settings)


def _checked_url(url: str, key: Secret | None) -> str:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.username is not None or parts.password is not None:
        # The address is not repeated: a password stands in it.
        raise ConfigError("a password in the address of a model would be shown", fix="give key=secret:NAME")
    usable = host and port != 0 and parts.scheme in ("http", "https") and not (parts.query or parts.fragment)
    if not usable or UNSAFE.search(url) or " " in url:
        raise ConfigError(
            "no address of a model", where=url, fix="write http(s)://HOST[:PORT]/PATH, as https://HOST/v1"
        )
    if key is not None and not key.reveal().isascii():
        raise ConfigError("a key is ASCII", where=url)
    if key is not None and parts.scheme == "http" and not is_here(host or ""):
        log.warning("the key for %s is sent in the clear: use https", url)
    return url


def is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
