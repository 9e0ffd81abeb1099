from __future__ import annotations

from skep.journal.base import StreamItem
from skep.journal.stream import StreamQueue
from skep.limits import Limits


def items(*sizes):
    return [StreamItem("t", 1, number, 1, 1, b"x" * size) for number, size in enumerate(sizes, 1)]


def test_it_tells_when_the_writer_must_be_woken():
    queue = StreamQueue(Limits())
    assert queue.put("a", items(1))
    assert not queue.put("a", items(1))
    assert len(queue.take()) == 2
    assert queue.take() == []
    assert queue.put("a", items(1))


def test_beyond_its_count_the_oldest_go():
    queue = StreamQueue(Limits(stream_backlog=3))
    queue.put("a", items(1, 1, 1, 1, 1))
    assert queue.dropped == 2
    assert [item.number for _, item in queue.take()] == [3, 4, 5]


def test_beyond_its_bytes_the_oldest_go():
    queue = StreamQueue(Limits(stream_backlog_bytes=100))
    queue.put("a", items(60))
    queue.put("b", items(60, 30))
    assert queue.dropped == 1
    assert [log for log, _ in queue.take()] == ["b", "b"]
    queue.put("a", items(101))
    assert queue.dropped == 2
    assert queue.take() == []
    queue.put("a", items(100))
    assert queue.dropped == 2
