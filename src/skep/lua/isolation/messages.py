"""What the host and a script's process say to each other. What comes back is hostile input, and read as such.

One call at a time: `Hook` or `Run` goes in; any number of `Ask` come back, which get their `Answer` or `Refusal`, and
of `Printed`; then one `Done` or `Failed`.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from skep.lua.limits import Limits


class _Message(Struct, tag_field="type", tag=str.lower, forbid_unknown_fields=True, frozen=True):
    pass


# -- from the host -----------------------------------------------------------------------------


class Start(_Message, frozen=True):
    """First of all: what every call may use, and the process itself."""

    limits: Limits
    memory: int
    """Bytes of address space beyond those of a new process."""
    cpu: int
    """Seconds, in its life."""


class Hook(_Message, frozen=True):
    call: int
    source: str
    name: str
    args: Raw
    drops_result: bool


class Run(_Message, frozen=True):
    call: int
    source: str
    name: str
    variables: Raw
    host: list[str]


class Answer(_Message, frozen=True):
    """What a host function returned."""

    number: int
    value: Raw


class Refusal(_Message, frozen=True):
    """What a host function raised, as text."""

    number: int
    message: str


# -- from the process --------------------------------------------------------------------------


class Ready(_Message, frozen=True):
    """First of all: it has given up what it could (`walls`)."""

    walls: list[str]


class Broken(_Message, frozen=True):
    """Instead of `Ready`: why it cannot serve."""

    message: str


class Ask(_Message, frozen=True):
    """The script calls the host function `name`."""

    call: int
    number: int
    name: str
    value: Raw


class Printed(_Message, frozen=True):
    """What the script prints; nothing answers it."""

    call: int
    text: str


class Done(_Message, frozen=True):
    call: int
    value: Raw


class Failed(_Message, frozen=True):
    """The call failed: the script's fault, a value that cannot leave it, or a limit: its name and value."""

    call: int
    kind: Literal["lua", "value", "limit"]
    message: str = ""
    script: str | None = None
    line: int | None = None
    traceback: str = ""
    where: str | None = None
    limit: str = ""
    most: int | float = 0


Received = Ready | Broken | Ask | Printed | Done | Failed
Message = Start | Hook | Run | Answer | Refusal | Received

_encoder = msgspec.json.Encoder()
_received = msgspec.json.Decoder(Received)
_start = msgspec.json.Decoder(Start)
_request = msgspec.json.Decoder(Hook | Run)
_answer = msgspec.json.Decoder(Answer | Refusal)


class BadMessage(Exception):
    """No message, or none of a process."""


def encoded(message: Message) -> bytes:
    """As JSON."""
    return _encoder.encode(message)


def received(data: bytes) -> Received:
    """What a process sent.

    Raises:
        BadMessage: it is none of these, has another field, another type, is no UTF-8 or is nested too deeply.
    """
    try:
        return _received.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadMessage(str(error)) from error


def start_of(data: bytes) -> Start:
    """The host's first message."""
    return _start.decode(data)


def request_of(data: bytes) -> Hook | Run:
    """A call from the host."""
    return _request.decode(data)


def answer_of(data: bytes) -> Answer | Refusal:
    """The host's answer to an `Ask`."""
    return _answer.decode(data)
