from __future__ import annotations

import msgspec
from msgspec import Raw

from skep.core.budget import BY, Account, Amounts, Note, note_artifact
from skep.core.events import WorkerOutput
from skep.core.outputs import Artifact, FileRef, Inline, inline


def output(name, content, *, task="T-1", attempt=1, by=None):
    return WorkerOutput(at=5, task_id=task, attempt=attempt, event=Artifact(name, content), by=by)


def reserve(task="T-1", attempt=1, **amounts):
    note = msgspec.json.encode(Note(reserved=Amounts(attempts=1, **amounts)))
    return output("budget", Inline(Raw(note)), task=task, attempt=attempt, by=BY)


def spend(task="T-1", **amounts):
    return output(
        "budget", Inline(Raw(msgspec.json.encode(Note(spent=Amounts(**amounts))))), task=task, by=BY
    )


def fold(*outputs):
    account = None
    for one in outputs:
        account = note_artifact(account, one)
    return account


def test_a_run_without_a_budget_has_no_account_whatever_its_workers_call_their_artifacts():
    forged = output("budget", inline({"spent": {"tokens": 1}}))
    assert fold(output("usage", inline(5)), forged, output("x", inline(1))) is None


def test_an_attempt_that_is_never_settled_is_counted_with_the_greater_of_reserved_and_reported():
    for reported, counted in ((10, 100), (150, 150)):
        account = fold(reserve(tokens=100, money=7), output("usage", inline({"tokens": reported})))
        assert account.entries["T-1"].counted == Amounts(attempts=1, tokens=counted, money=7)
        account = note_artifact(account, reserve(attempt=2, tokens=1))
        assert account.settled == Amounts(attempts=1, tokens=counted, money=7)
        assert account.entries["T-1"].counted == Amounts(attempts=1, tokens=1)


def test_what_was_spent_takes_the_place_of_what_was_reserved():
    account = fold(reserve(tokens=100), spend(attempts=1, tokens=3, milliseconds=9))
    assert account == Account(settled=Amounts(attempts=1, tokens=3, milliseconds=9))


def test_only_the_reports_of_the_reserved_attempt_count_and_the_last_one_of_them():
    account = fold(
        reserve(attempt=2),
        output("usage", inline(50), attempt=1),
        output("usage", inline(60), task="T-2"),
        output("usage", inline(7), attempt=2),
        output("usage", inline(8), attempt=2),
    )
    assert account.entries["T-1"].counted.tokens == 8
    account = note_artifact(account, output("usage", FileRef("usage.json"), attempt=2))
    assert account.entries["T-1"].counted.tokens == 8
