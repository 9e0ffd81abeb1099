from __future__ import annotations

import json
import re
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.core.outputs import Artifact, Final, Partial, Progress, inline
from skep.limits import Limits
from skep.workers.process.streams import FrameDecoder, NdjsonDecoder, SseDecoder, StreamMode, decoder_of

SMALL = Limits(process_record_bytes=120, process_bad_records=1_000)
ROOMY = Limits(process_bad_records=1_000)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
events = st.one_of(
    st.builds(Partial, texts),
    st.builds(Progress, texts, st.none() | texts),
    st.builds(Artifact, texts, st.builds(inline, texts | st.lists(st.integers(0, 9), max_size=4))),
    st.builds(
        Final, st.builds(inline, texts | st.floats(allow_nan=False, allow_infinity=False)), st.booleans()
    ),
)


def encode(event):
    return msgspec.json.encode(event)


def plain(found):
    """Events as values that compare: contents are held as raw JSON."""
    return [msgspec.json.encode(event) for event in found]


def whole(decoder, data):
    return (
        plain([*decoder.feed(data), *decoder.end()]),
        decoder.bad.count,
        decoder.bad.samples,
        decoder.broken,
    )


def cut_into(decoder, data, cuts):
    found, start = [], 0
    for at in [*sorted(cuts), len(data)]:
        found += decoder.feed(data[start:at])
        start = at
    found += decoder.end()
    return plain(found), decoder.bad.count, decoder.bad.samples, decoder.broken


scraps = st.sampled_from(
    [
        b"\n", b"\r\n", b"\r", b"", b"{", b"}", b"{}", b"}\n{", b"\xff", b"\xef\xbb\xbf", b" ", b":", b"data", b"data:",
        b"data: ", b"event: final", b"id", b'{"type":"partial","chunk":"a"}', b'{"type":\n"partial","chunk":"a"}',
        b'{"type":"partial","chunk":"a"}\n', b'data: {"type":"partial","chunk":"a"}\n\n', b"[DONE]", b"x" * 50,
        b'{"type":"final","content":{"kind":"inline","value":"\xff"}}\n', b"\0\0\0\x1e", b"\0\0\0\0", b"\0", b"\x02",
        b'{"type":"artifact","name":"n","content":{"kind":"blob","sha256":"0","size":1}}\n',
    ]
)  # fmt: skip
hostile = st.lists(st.one_of(scraps, st.builds(encode, events), st.binary(max_size=6)), max_size=14).map(
    b"".join
)


@given(hostile, st.sampled_from(list(StreamMode)), st.data())
def test_where_a_stream_is_cut_changes_nothing(data, mode, draw):
    cuts = draw.draw(st.lists(st.integers(0, len(data)), max_size=8))
    limits = draw.draw(st.sampled_from([SMALL, ROOMY, Limits(process_bad_records=1)]))
    expected = whole(decoder_of(mode, limits), data)
    assert cut_into(decoder_of(mode, limits), data, cuts) == expected
    assert cut_into(decoder_of(mode, limits), data, range(len(data))) == expected


# -- NDJSON ------------------------------------------------------------------------------------


@given(st.lists(st.tuples(events, st.sampled_from([b"\n", b"\r\n", b"\n\n", b" \n"])), max_size=8))
def test_each_line_is_an_event(lines):
    data = b"".join(encode(event) + end for event, end in lines)
    found, bad, _, _ = whole(NdjsonDecoder(ROOMY), data)
    assert (found, bad) == ([encode(event) for event, _ in lines], 0)


@given(hostile)
def test_batches_decode_as_single_lines_do(data):
    """`decode_lines` alone takes two values in a line, or a value in two lines, for good."""
    decoder = NdjsonDecoder(ROOMY)
    found = []
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        found += decoder.feed(
            b" " + line + b"\n"
        )  # a line that begins with a blank is not decoded in a batch
    batched = NdjsonDecoder(ROOMY)
    assert plain([*batched.feed(data), *batched.end()]) == plain(found)
    assert batched.bad.count == decoder.bad.count


@pytest.mark.parametrize(
    "lines",
    [
        b'{"type":\n"partial","chunk":"a"}{"type":"partial","chunk":"b"}\n',
        b'{"type":"partial","chunk":"a"}{"type":"partial","chunk":"b"}\n',
        b'{"type":"final","content":{"kind":"inline","value":{}\n}}\n',
        b'{"type":"final","content":{"kind":"inline","value":"\xff"}}\n',
        b'{"type":"final","content":{"kind":"inline","value":NaN}}\n',
        b'{"type":"final","content":{"kind":"inline","value":1e999}}\n',
        b'{"type":"final","content":{"kind":"inline","value":' + b"[" * 5_000 + b"]" * 5_000 + b"}}\n",
        b'{"type":"final","content":{"kind":"blob","sha256":"0","size":1}}\n',
        b'{"type":"final","content":{"kind":"inline","value":1},"ok":1}\n',
        b'{"type":"partial","chunk":"\\ud800"}\n',
        b'{"type":"nonsense"}\n',
        b"[" * 100_000 + b"\n",
        b"plain text\n",
        b"\xff\xfe\n",
        b"null\n",
    ],
)
def test_what_is_no_event_is_counted_and_the_rest_goes_on(lines):
    decoder = NdjsonDecoder(ROOMY)
    good = b'{"type":"partial","chunk":"x"}\n'
    assert decoder.feed(good + lines + good) == [Partial("x")] * 2
    assert decoder.bad.count == lines.count(b"\n")
    assert decoder.bad.samples[0].startswith("line 2: ")


def test_a_byte_order_mark_is_dropped_once():
    good = b'{"type":"partial","chunk":"x"}\n'
    assert whole(NdjsonDecoder(ROOMY), b"\xef\xbb\xbf" + good)[1] == 0
    assert whole(NdjsonDecoder(ROOMY), b"\xef\xbb\xbf\xef\xbb\xbf" + good)[1] == 1


@pytest.mark.parametrize("make", [NdjsonDecoder, SseDecoder])
def test_a_line_without_end_is_not_held(make):
    decoder = make(Limits(process_record_bytes=100_000))
    chunk = b"data:" + b"x" * 65_531
    for _ in range(1_600):
        assert decoder.feed(chunk) == []
        assert sum(map(len, decoder._held)) <= 200_000
    assert decoder.bad.count == 1
    good = b'{"type":"partial","chunk":"x"}\n'
    tail = b"\n" + good if make is NdjsonDecoder else b"\n\ndata:" + good + b"\n"
    assert decoder.feed(tail) == [Partial("x")]
    unit = "line" if make is NdjsonDecoder else "event"
    excerpt = "data:" + "x" * 195
    assert decoder.bad.samples == [f"{unit} 1: longer than process_record_bytes (100,000): {excerpt!r}"]


def test_a_line_may_be_as_long_as_the_limit_and_no_longer():
    limits = Limits(process_record_bytes=31)
    assert NdjsonDecoder(limits).feed(b'{"type":"partial","chunk":"xx"}\n') == [Partial("xx")]
    decoder = NdjsonDecoder(limits)
    assert decoder.feed(b'{"type":"partial","chunk":"xxx"}\n') == []
    assert decoder.bad.count == 1


def test_too_many_bad_lines_break_the_stream_where_the_limit_is_passed():
    decoder = NdjsonDecoder(Limits(process_bad_records=2, process_bad_samples=1))
    good = b'{"type":"partial","chunk":"x"}\n'
    assert decoder.feed(good + b"1\n2\n" + good + b"3\n" + good) == [Partial("x")] * 2
    assert decoder.broken is not None
    assert "process_bad_records of 2" in decoder.broken
    assert "line 2" in decoder.broken
    assert len(decoder.bad.samples) == 1
    assert (decoder.feed(good), decoder.end()) == ([], [])


def test_the_last_line_may_lack_its_end():
    decoder = NdjsonDecoder(ROOMY)
    assert decoder.feed(b'{"type":"partial","chunk":"x"}') == []
    assert decoder.end() == [Partial("x")]


# -- server-sent events ------------------------------------------------------------------------

EVENT = '{"type":"partial","chunk":"x"}'


def sse(text):
    decoder = SseDecoder(ROOMY)
    data = text if isinstance(text, bytes) else text.encode()
    return [*decoder.feed(data), *decoder.end()], decoder.bad.count


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_the_grammar_of_event_streams(end):
    lines = [
        "\ufeff: a comment",
        "event: final",
        "id: 7",
        "retry: 10",
        'data: {"type":"partial",',
        "id",
        'data:"chunk":',
        'data:  "x"}',
        "",
        "data",
        "",
        "",
        f"data:{EVENT}",
        "nonsense: data",
        " data: no field of this name",
        "",
    ]
    assert sse(end.join(lines) + end) == ([Partial("x"), Partial("x")], 0)


def test_the_end_of_the_stream_ends_its_last_event():
    assert sse(f"data: {EVENT}\n") == ([Partial("x")], 0)
    assert sse(f"data: {EVENT}") == ([Partial("x")], 0)
    assert sse("data: {") == ([], 1)


def test_only_one_space_and_one_mark_are_dropped():
    found, _ = sse('data:  {"type":"partial","chunk":\ndata:  "a b"}\n\n')
    assert found == [Partial("a b")]
    assert sse(f"\ufeff\ufeffdata: {EVENT}\n\n") == ([], 0)


def test_bytes_that_are_not_utf8_are_replaced_as_the_standard_says():
    assert sse(b'data: {"type":"partial","chunk":"a\xe2\x82"}\n\n') == ([Partial("a\ufffd")], 0)


def test_data_that_is_no_event_is_counted():
    assert sse(f"data: [DONE]\n\ndata: {EVENT}\n\n") == ([Partial("x")], 1)


def test_an_event_of_many_short_lines_takes_no_more_memory_than_its_text():
    decoder = SseDecoder(Limits())
    tracemalloc.start()
    for _ in range(16):
        decoder.feed(b"data:ab\n" * 8192)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 2 * 16 * 8192 * len("ab\n")


def test_an_event_of_many_lines_is_bounded_a_comment_is_skipped():
    decoder = SseDecoder(SMALL)
    long = b"data: xxxxxxxxxxxxxxxxxxxx\n" * 20 + b"\n"
    comment = b": " + b"x" * 500 + b"\n"
    assert decoder.feed(long + comment + f"data: {EVENT}\n\n".encode()) == [Partial("x")]
    assert decoder.bad.count == 1
    assert "event 1: longer" in decoder.bad.samples[0]


def _expected(text):
    """The standard's grammar, over the whole text, with the end of the stream as a blank line."""
    found = []
    data = []
    for line in [*re.split("\r\n|\n|\r", text.removeprefix("\ufeff")), ""]:
        if line == "":
            if "".join(data).strip():
                found.append("\n".join(data))
            data = []
        elif re.match("data(:|$)", line):
            data.append(re.sub("^data:? ?", "", line))
    return found


lines = st.sampled_from(
    [
        "",
        ": c",
        "data",
        "data:",
        f"data: {EVENT}",
        f"data:{EVENT}",
        "data:  ",
        "event: x",
        "id:1",
        "data : x",
        "datax",
    ]
)
ends = st.sampled_from(["\n", "\r", "\r\n"])


@given(st.lists(st.tuples(lines, ends), max_size=12), st.booleans())
def test_sse_follows_the_standard(parts, mark):
    text = ("\ufeff" if mark else "") + "".join(line + end for line, end in parts)
    expected = _expected(text)
    good = sum(data.strip() == EVENT for data in expected)
    assert sse(text) == ([Partial("x")] * good, len(expected) - good)


# -- frames ------------------------------------------------------------------------------------


def frame(data):
    return len(data).to_bytes(4, "big") + data


@given(st.lists(events, max_size=6))
def test_frames_carry_events(given_events):
    data = b"".join(frame(encode(event)) for event in given_events)
    found, bad, _, broken = whole(FrameDecoder(ROOMY), data)
    assert (found, bad, broken) == ([encode(event) for event in given_events], 0, None)


@pytest.mark.parametrize(
    ("length", "named"),
    [
        (0, "length of 0"),
        (16 * 1024 * 1024 + 1, "length of 16,777,217, allowed are 1 to 16,777,216"),
        (2**32 - 1, "length of 4,294,967,295"),
    ],
)
def test_a_length_that_is_not_allowed_breaks_the_stream(length, named):
    decoder = FrameDecoder(ROOMY)
    good = frame(EVENT.encode())
    assert decoder.feed(good + length.to_bytes(4, "big") + good) == [Partial("x")]
    assert decoder.broken is not None
    assert f"frame 2 has a {named}" in decoder.broken
    assert decoder.feed(good) == []
    assert sum(map(len, decoder._held)) == 0


@pytest.mark.parametrize(("data", "short"), [(frame(EVENT.encode())[:-1], 1), (b"\0\0", 2)])
def test_half_a_frame_breaks_the_stream_at_its_end(data, short):
    decoder = FrameDecoder(ROOMY)
    assert decoder.feed(data) == []
    assert decoder.broken is None
    assert decoder.end() == []
    assert f"inside frame 1, at least {short} bytes short" in str(decoder.broken)


def test_a_frame_without_an_event_is_counted_and_the_next_one_read():
    decoder = FrameDecoder(ROOMY)
    data = b"".join(map(frame, [b"{", json.dumps({"type": "x"}).encode(), b"\xff\xff", EVENT.encode()]))
    assert decoder.feed(data) == [Partial("x")]
    assert decoder.bad.count == 3


def test_a_big_frame_comes_whole_from_small_chunks():
    event = Partial("x" * 3_000_000)
    data = frame(encode(event))
    decoder = FrameDecoder(ROOMY)
    found = [got for at in range(0, len(data), 4_096) for got in decoder.feed(data[at : at + 4_096])]
    assert found == [event]
