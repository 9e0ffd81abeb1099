"""A model's endpoint on loopback that speaks the protocol, or does what a test says instead."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress


class Request:
    def __init__(self, line, headers, body):
        self.line = line
        self.headers = headers
        self.body = json.loads(body)


class Endpoint:
    """`async with Endpoint(reply) as endpoint`; `reply(request, send)` is awaited for each request.

    `requests` are those that came, `sent` the bytes that were taken from it, `gone` is set when a client has hung up
    before the end. A reply that is a text or a dict is a completion, or said as it is.
    """

    def __init__(self, reply="fine"):
        self.requests = []
        self.sent = 0
        self.gone = asyncio.Event()
        self._reply = reply
        self._busy = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        self._busy.add(asyncio.current_task())
        try:
            await self._answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self._busy.discard(asyncio.current_task())

    async def _answer(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): text for name, _, text in (line.partition(": ") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append(Request(head[0], headers, body))

        async def send(data):
            writer.write(data if isinstance(data, bytes) else data.encode())
            await writer.drain()
            self.sent += len(data)

        if callable(self._reply):
            hanging_up = asyncio.create_task(reader.read(1))
            replying = asyncio.create_task(self._reply(self.requests[-1], send))
            try:
                await asyncio.wait({hanging_up, replying}, return_when=asyncio.FIRST_COMPLETED)
                if not replying.done():
                    self.gone.set()
                else:
                    replying.result()
            finally:
                for task in (hanging_up, replying):
                    task.cancel()
                await asyncio.gather(hanging_up, replying, return_exceptions=True)
        else:
            await send(whole(completion(self._reply) if isinstance(self._reply, str) else self._reply))


def completion(text, **fields):
    """A completion with this text."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "c-1",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        **fields,
    }


def whole(content, status="200 OK", headers=(), *, length=None):
    """A response: JSON of anything that is not bytes; `length` is what it says of itself."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    lines = [
        f"HTTP/1.1 {status}",
        "content-type: application/json",
        f"content-length: {len(data) if length is None else length}",
        "connection: close",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


def event(value):
    """One event of a stream; bytes are said as they are."""
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def piece(text=None, finish=None, **fields):
    """An event with a piece of the answer."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}
    return event({"object": "chat.completion.chunk", "choices": [choice], **fields})


def saying(*parts):
    """A reply that sends these parts."""

    async def reply(request, send):
        for part in parts:
            await send(part)

    return reply


def in_turn(*replies):
    """A reply that is another one each time, the last for ever."""
    left = list(replies)

    async def reply(request, send):
        await send(left.pop(0) if len(left) > 1 else left[0])

    return reply


async def forever(request, send):
    """Says nothing."""
    await asyncio.Event().wait()
