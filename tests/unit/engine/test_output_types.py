from __future__ import annotations

import pytest
from msgspec import Raw

from skep.core.outputs import Artifact, Blob, FileRef, Final, Inline, Partial, Progress, inline
from skep.engine.attempts.output_types import check_output
from skep.errors import BadValue

ONE = inline(1)
LATER = FileRef("x", "text/plain", 3)


class Other(Inline, frozen=True, tag="other"):
    pass


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "event",
    [
        Final(ONE),
        Final(LATER, ok=False),
        Final(FileRef("x")),
        Artifact("name", ONE),
        Progress("here"),
        Progress("here", "note"),
        Partial(""),
        Final(Blob("0" * 64, 1)),
    ],
)
def test_what_is_of_its_types_passes(event):
    check_output(event)


@pytest.mark.parametrize(
    ("event", "where"),
    [
        (Final(ONE, ok=object()), "Final.ok: object is not bool"),
        (Final(ONE, ok=1), "Final.ok: int is not bool"),
        (Final(ONE, ok=None), "Final.ok"),
        (Final({"kind": "inline", "value": 1}), "Final.content: dict is not Inline or FileRef or Blob"),
        (Final(Other(Raw(b"1"))), "Final.content: Other"),
        (Final(Inline(b"1")), "Inline.value: bytes is not Raw"),
        (Final(Inline(10**13)), "Inline.value: int"),
        (Final(FileRef(b"x")), "FileRef.path: bytes"),
        (Final(FileRef("x", mime=3)), "FileRef.mime: int is not str or NoneType"),
        (Final(FileRef("x", size_hint="3")), "FileRef.size_hint: str"),
        (Final(FileRef("x", size_hint=True)), "FileRef.size_hint: bool"),
        (Final(FileRef("x", size_hint=-1)), "FileRef.size_hint: is not a number of bytes"),
        (Final(FileRef("x", size_hint=2**64)), "FileRef.size_hint"),
        (Artifact(None, ONE), "Artifact.name: NoneType is not str"),
        (Artifact(Text("x"), ONE), "Artifact.name: Text"),
        (Artifact("x", 1), "Artifact.content"),
        (Progress(1), "Progress.stage"),
        (Progress("x", b"y"), "Progress.note"),
        (Partial(["x"]), "Partial.chunk: list is not str"),
        ({"type": "final"}, "dict is not an output event"),
        (ONE, "Inline is not an output event"),
        (None, "NoneType is not an output event"),
    ],
)
def test_what_is_not_is_refused_with_its_place(event, where):
    with pytest.raises(BadValue) as caught:
        check_output(event)
    assert str(caught.value).startswith(where)
