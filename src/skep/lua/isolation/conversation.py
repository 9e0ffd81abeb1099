"""One call, as the host sees it: what the process may say next, and what follows from it. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from msgspec import Raw, Struct

from skep.errors import ConversionError, LimitExceeded, LuaError, SkepError
from skep.limits import DEFAULT_LIMITS, Limits
from skep.lua.bridge import error_text
from skep.lua.isolation.messages import (
    Answer,
    Ask,
    BadMessage,
    Done,
    Failed,
    Printed,
    Refusal,
    encoded,
    received,
)
from skep.lua.limits import MESSAGE, TRACEBACK
from skep.lua.runner import HostFunction
from skep.values import clean_text, decode_untrusted, encode

log = logging.getLogger("skep.lua")

_LINE = 64
"""Bytes that a print counts beside its text."""


class Violation(Exception):
    """The process said what it may not say here: it is not what we started any more."""


class Success(Struct, frozen=True):
    value: Any


Outcome = Success | SkepError


class Conversation:
    """Reads what comes in during one call.

    Args:
        call: its number, which every frame must carry.
        host: the functions that the script may call; their exceptions reach it as text.
        most_asks: how often it may call them.
        most_output: bytes that it may print.
        limits: of the values that come in.
    """

    def __init__(
        self,
        call: int,
        host: Mapping[str, HostFunction],
        most_asks: int,
        most_output: int,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.outcome: Outcome | None = None
        self._call = call
        self._host = host
        self._most_asks = most_asks
        self._limits = limits
        self._most_output = most_output
        self._asked = 0
        self._printed = 0

    def take(self, frame: bytes) -> bytes | None:
        """What to send back, if something is; `outcome` is there once nothing more may come.

        Raises:
            Violation: with what was wrong.
            LimitExceeded: it asked too often, or a value is too deep or too big.
        """
        try:
            message = received(frame)
        except BadMessage as error:
            raise Violation(f"no message: {error}") from error
        if self.outcome is not None:
            raise Violation("it went on after its result")
        match message:
            case Ask():
                self._expect(message.call)
                return self._answer(message)
            case Printed():
                self._expect(message.call)
                self._print(message.text)
            case Done():
                self._expect(message.call)
                self.outcome = Success(self._value(message.value))
            case Failed():
                self._expect(message.call)
                self.outcome = _failure(message)
            case _:
                raise Violation("it said that it was ready, during a call")
        return None

    def _expect(self, call: int) -> None:
        if call != self._call:
            raise Violation(f"a frame of call {call} during call {self._call}")

    def _answer(self, ask: Ask) -> bytes:
        self._asked += 1
        if self._asked > self._most_asks:
            raise LimitExceeded("lua_host_calls", self._most_asks)
        if ask.number != self._asked:
            raise Violation(f"host call {ask.number} came where {self._asked} was due")
        function = self._host.get(ask.name)
        if function is None:
            raise Violation(f"it called {clean_text(ask.name, 64)!r}, which no host function is")
        value = self._value(ask.value)
        try:
            return encoded(Answer(ask.number, Raw(encode(function(value), where=f"host.{ask.name}"))))
        except Exception as error:  # noqa: BLE001 - it is the script that called: the error is its to handle
            return encoded(Refusal(ask.number, error_text(error)))

    def _print(self, text: str) -> None:
        self._printed += _LINE + len(text)
        if self._printed > self._most_output:
            raise LimitExceeded("output", self._most_output)
        log.info("%s", text.rstrip("\n"))

    def _value(self, raw: Raw) -> Any:
        try:
            return decode_untrusted(bytes(raw), self._limits, where="lua")
        except LimitExceeded:
            raise
        except SkepError as error:
            raise Violation(f"no value: {error.what}") from error


def _failure(message: Failed) -> SkepError:
    where = None if message.where is None else clean_text(message.where)
    if message.kind == "limit":
        return LimitExceeded(clean_text(message.limit, 64), message.most, where=where)
    text = clean_text(message.message, MESSAGE)
    if message.kind == "value":
        return ConversionError(text, where=where)
    script = None if message.script is None else clean_text(message.script)
    return LuaError(
        text, script=script, line=message.line, traceback=clean_text(message.traceback, TRACEBACK)
    )
