from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skep.core.events import TaskPass
from skep.journal.codec import decode_events
from skep.journal.sqlite.group import Append, gather
from skep.limits import Limits
from skep.testing.journal.directory import asked


def appends(*spec):
    """(log, generation, version, count) each."""
    return [
        Append(
            seq,
            log,
            generation,
            version,
            [TaskPass(at=seq, task_id=f"{seq}.{n}") for n in range(count)],
            None,
        )
        for seq, (log, generation, version, count) in enumerate(spec, 1)
    ]


def shape(group):
    return [(row.log, row.version, row.count) for row in group.rows]


def test_neighbours_share_a_row():
    group = gather(appends(("a", 1, 1, 2), ("a", 1, 3, 1), ("b", 1, 1, 1), ("a", 1, 4, 1)), [], Limits(), {})
    assert shape(group) == [("a", 1, 3), ("b", 1, 1), ("a", 4, 1)]
    assert group.seq == 4
    assert group.rows[0].at == 1


def test_a_gap_or_another_generation_begins_a_row():
    group = gather(appends(("a", 1, 1, 1), ("a", 1, 3, 1), ("a", 2, 4, 1)), [], Limits(), {})
    assert shape(group) == [("a", 1, 1), ("a", 3, 1), ("a", 4, 1)]


def test_rows_are_bounded_and_a_large_append_stays_whole():
    spec = [("a", 1, 1, 2), ("a", 1, 3, 2), ("a", 1, 5, 9), ("a", 1, 14, 1)]
    assert shape(gather(appends(*spec), [], Limits(journal_row_events=4), {})) == [
        ("a", 1, 4),
        ("a", 5, 9),
        ("a", 14, 1),
    ]
    assert len(gather(appends(*spec), [], Limits(journal_row_bytes=1), {}).rows) == 4


def test_what_follows_what_cannot_be_encoded_is_refused_too():
    given = appends(("a", 1, 1, 1), ("a", 1, 2, 1), ("b", 1, 1, 1), ("a", 1, 3, 1))
    given[1].events = [TaskPass(at=1, task_id="\ud800")]
    broken = {}
    group = gather(given, [], Limits(), broken)
    assert shape(group) == [("a", 1, 1), ("b", 1, 1)]
    assert [append.seq for append, _ in group.refused] == [2, 4]
    assert (group.seq, list(broken)) == (4, ["a"])
    later = gather(appends(("a", 1, 4, 1), ("b", 1, 2, 1)), [], Limits(), broken)
    assert shape(later) == [("b", 2, 1)]


def test_only_a_group_that_touches_the_directory_is_more_than_rows():
    given = appends(("a", 1, 1, 1), ("b", 1, 1, 1), ("b", 1, 2, 1))
    assert gather(given, [], Limits(), {}).only_rows
    given[2].events = [asked("q")]
    group = gather(given, [], Limits(), {})
    assert not group.only_rows
    assert [row.touching for row in group.rows] == [False, True]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4)), max_size=30), st.integers(1, 9))
def test_rows_hold_every_event_once_and_in_order(steps, bound):
    versions = dict.fromkeys("abc", 1)
    spec = []
    for log, count in steps:
        spec.append((log, 1, versions[log], count))
        versions[log] += count
    given_appends = appends(*spec)
    group = gather(given_appends, [], Limits(journal_row_events=bound), {})
    stored = [
        event for row in group.rows for event in decode_events(row.log, row.version, row.count, row.data())
    ]
    announced = [event for row in group.rows for event in row.committed()[3]]
    assert stored == announced == [event for append in given_appends for event in append.events]
