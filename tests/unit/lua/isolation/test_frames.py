from __future__ import annotations

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.lua.isolation.frames import FrameReader, OversizedFrame, framed


@given(st.lists(st.binary(max_size=50), max_size=8), st.lists(st.integers(0, 400), max_size=12))
def test_frames_arrive_whole_however_they_were_cut(frames, cuts):
    stream = b"".join(map(framed, frames))
    edges = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    reader = FrameReader(50)
    found = [frame for a, b in pairwise(edges) for frame in reader.feed(stream[a:b])]
    assert found == frames
    assert reader.empty


def test_a_part_of_a_frame_is_not_nothing():
    for part in (b"\0", b"\0\0\0\2", b"\0\0\0\2{"):
        reader = FrameReader(10)
        assert reader.feed(part) == []
        assert not reader.empty


@given(st.integers(11, 2**32 - 1))
def test_an_announcement_beyond_the_limit_is_refused_before_anything_of_it_is_held(size):
    reader = FrameReader(10)
    with pytest.raises(OversizedFrame, match=f"{size:,} bytes"):
        reader.feed(struct.pack(">I", size) + b"x" * 5)
    assert not reader._held
