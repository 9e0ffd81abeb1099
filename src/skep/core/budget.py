"""What a run has reserved and spent: a fold of the artifacts `budget` that its layer appends, and of `usage`.

An attempt's reservation is recorded before its worker starts, what it really took when it has ended. What a crash,
or anything else, keeps from being settled stays counted: with its reservation, or with more if more was reported.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct, field

from skep.core.events import WorkerOutput
from skep.core.outputs import Artifact, Inline
from skep.core.usage import Usage, read_usage
from skep.values import decode

BY = "layer:budget"
ARTIFACT = "budget"
USAGE = "usage"


class Amounts(Struct, frozen=True, omit_defaults=True):
    """So much of each: integers, so that sums are exact. Money is in millionths of its unit."""

    attempts: int = 0
    milliseconds: int = 0
    tokens: int = 0
    money: int = 0

    def plus(self, other: Amounts) -> Amounts:
        return Amounts(
            self.attempts + other.attempts,
            self.milliseconds + other.milliseconds,
            self.tokens + other.tokens,
            self.money + other.money,
        )

    def at_least(self, other: Amounts) -> Amounts:
        return Amounts(
            max(self.attempts, other.attempts),
            max(self.milliseconds, other.milliseconds),
            max(self.tokens, other.tokens),
            max(self.money, other.money),
        )


NOTHING = Amounts()


class Entry(Struct):
    """One attempt that is not settled."""

    attempt: int
    at: int
    reserved: Amounts
    usage: Usage | None = None
    unclear: bool = False
    """A report came that is not understood."""

    @property
    def counted(self) -> Amounts:
        """What is counted if nothing more is ever heard of it."""
        if self.usage is None:
            return self.reserved
        return self.reserved.at_least(Amounts(tokens=self.usage.tokens, money=self.usage.money))


class Account(Struct):
    """One run's."""

    settled: Amounts = NOTHING
    entries: dict[str, Entry] = field(default_factory=dict)
    """What is not settled, by task; of an earlier attempt that never was, it is settled by the next one."""


class Note(Struct, frozen=True, omit_defaults=True):
    """The artifact: `reserved` before the start, `spent` after the end."""

    reserved: Amounts | None = None
    spent: Amounts | None = None


_DECODER = msgspec.json.Decoder(Note)


def note_artifact(account: Account | None, output: WorkerOutput) -> Account | None:
    """The account of a run after an artifact of one of its attempts; `None` while the run has none."""
    name = output.event.name if type(output.event) is Artifact else None
    if name == ARTIFACT and output.by == BY:
        account = account or Account()
        _note(account, output)
    elif name == USAGE and account is not None:
        entry = account.entries.get(output.task_id)
        if entry is not None and entry.attempt == output.attempt:
            usage = _usage(output)
            entry.unclear = entry.unclear or usage is None
            entry.usage = usage or entry.usage
    return account


def _note(account: Account, output: WorkerOutput) -> None:
    assert type(output.event.content) is Inline  # noqa: S101 - the layer's own
    note = _DECODER.decode(output.event.content.value)
    entry = account.entries.pop(output.task_id, None)
    if note.spent is not None:
        account.settled = account.settled.plus(note.spent)
        return
    if entry is not None:
        account.settled = account.settled.plus(entry.counted)
    account.entries[output.task_id] = Entry(output.attempt, output.at, note.reserved or NOTHING)


def _usage(output: WorkerOutput) -> Usage | None:
    """What is reported; a large value, which no usage is, is not looked at."""
    content = output.event.content
    return read_usage(decode(content.value)) if type(content) is Inline else None
