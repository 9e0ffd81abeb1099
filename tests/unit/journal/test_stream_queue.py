from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from skep.journal.base import StreamBatch
from skep.journal.stream import StreamQueue
from skep.limits import Limits


def batch(*sizes):
    return StreamBatch("t", 1, 1, 1, 1, [b"x" * size for size in sizes])


def taken(queue):
    return [(log, item.number, item.data) for log, batch in queue.take() for item in batch.items()]


def test_it_tells_when_the_writer_must_be_woken():
    queue = StreamQueue(Limits())
    assert queue.put("a", batch(1))
    assert not queue.put("a", batch(1))
    assert len(queue.take()) == 2
    assert queue.take() == []
    assert queue.put("a", batch(1))


def test_beyond_its_count_the_oldest_go():
    queue = StreamQueue(Limits(stream_backlog=3))
    queue.put("a", batch(1, 1, 1, 1, 1))
    assert queue.dropped == 2
    assert [number for _, number, _ in taken(queue)] == [3, 4, 5]


def test_beyond_its_bytes_the_oldest_go():
    queue = StreamQueue(Limits(stream_backlog_bytes=100))
    queue.put("a", batch(60))
    queue.put("b", batch(60, 30))
    assert queue.dropped == 1
    assert [log for log, _, _ in taken(queue)] == ["b", "b"]
    queue.put("a", batch(101))
    assert queue.dropped == 2
    assert queue.take() == []
    queue.put("a", batch(100))
    assert queue.dropped == 2


@given(st.lists(st.lists(st.integers(0, 40), min_size=1, max_size=6), max_size=8))
def test_what_is_left_are_the_newest_that_fit(sizes):
    limits = Limits(stream_backlog=5, stream_backlog_bytes=100)
    queue, kept = StreamQueue(limits), []
    for log, of_batch in enumerate(sizes):
        queue.put(str(log), batch(*of_batch))
        kept += [(str(log), number, b"x" * size) for number, size in enumerate(of_batch, 1)]
        while len(kept) > limits.stream_backlog or sum(len(data) for *_, data in kept) > 100:
            del kept[0]
    assert queue.dropped == sum(map(len, sizes)) - len(kept)
    assert taken(queue) == kept
