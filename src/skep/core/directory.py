"""The directory: keys that somebody outside must find without knowing in which log they stand.

Which keys an event adds and which it takes away is said here and nowhere else; journals keep the entries in
the same commit as the events. An entry belongs to the log of its event, and only events of that log take it
away. What has expired stays: the event that the entry points to says until when it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from msgspec import Struct

from skep.core import events as ev

Kind = Literal["question", "closed", "token", "issued", "revoked", "handle"]
"""Open questions and ended ones by key; tokens by nonce; handles by digest.

An ended question is found for good: who answers it late, or asks again for its answer, is told how it ended.
A `token` may be in force. An `issued` one was not revoked, but its session may be detached, or have another token by
now: what was started with it goes on until it is revoked. That it was is found for good, since what was started with
it may be taken up much later.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)


class Added(Struct, frozen=True):
    """A key to be found by; `subject` is what it goes away with: for a handle the question of its work.

    A key stands in one log.
    """

    kind: Kind
    key: str
    subject: str


class Removed(Struct, frozen=True):
    """Entries of the event's log to be taken away: those of `subject`, or all of this kind."""

    kind: Kind
    subject: str | None = None


def _asked(event: ev.QuestionAsked) -> tuple[Added, ...]:
    return (Added("question", event.key, event.key),)


def _issued(event: ev.SessionAttached | ev.TokenMinted) -> tuple[Added, ...]:
    return Added("token", event.nonce, event.nonce), Added("issued", event.nonce, event.nonce)


def _ended(event: ev.QuestionAnswered | ev.QuestionClosed) -> tuple[Removed, ...]:
    return Removed("question", event.key), Removed("handle", event.key)


def _handed_over(event: ev.WorkClaimed | ev.WorkReleased) -> tuple[Removed, ...]:
    return (Removed("handle", event.key),)


def _kept(event: ev.QuestionAnswered | ev.QuestionClosed) -> tuple[Added, ...]:
    return (Added("closed", event.key, event.key),)


_ADDS: dict[type[ev.Event], Callable[[Any], tuple[Added, ...]]] = {
    ev.QuestionAsked: _asked,
    ev.SeniorQueried: _asked,
    ev.QuestionAnswered: _kept,
    ev.SeniorAnswered: _kept,
    ev.QuestionClosed: _kept,
    ev.SessionAttached: _issued,
    ev.TokenMinted: _issued,
    ev.TokenRevoked: lambda event: (Added("revoked", event.nonce, event.nonce),),
    ev.WorkClaimed: lambda event: (Added("handle", event.handle, event.key),),
}
_REMOVES: dict[type[ev.Event], Callable[[Any], tuple[Removed, ...]]] = {
    ev.QuestionAnswered: _ended,
    ev.SeniorAnswered: _ended,
    ev.QuestionClosed: _ended,
    ev.WorkClaimed: _handed_over,
    ev.WorkReleased: _handed_over,
    ev.TokenRevoked: lambda event: (Removed("token", event.nonce), Removed("issued", event.nonce)),
    ev.SessionAttached: lambda _: (Removed("token"),),
    ev.SessionDetached: lambda _: (Removed("token"),),
    ev.RunFinished: lambda _: tuple(Removed(kind) for kind in KINDS if kind != "closed"),
}
_TOUCHING = _ADDS.keys() | _REMOVES.keys()


def touches(events: Sequence[ev.Event]) -> bool:
    """Whether any of `events` adds or takes away an entry; cheap, for every commit to ask."""
    return not _TOUCHING.isdisjoint(map(type, events))


def removed(event: ev.Event) -> tuple[Removed, ...]:
    """What goes with `event`, before anything that it adds."""
    remove = _REMOVES.get(type(event))
    return () if remove is None else remove(event)


def added(event: ev.Event) -> tuple[Added, ...]:
    """What is found from `event` on, in place of older entries of the same kinds and keys."""
    add = _ADDS.get(type(event))
    return () if add is None else add(event)
