"""`alc.match_enum`, `alc.match_bool` and `alc.chunk` (reference: strategy runtime, 2.7 to 2.9)."""

from __future__ import annotations

import re
from collections.abc import Sequence

THRESHOLD = 0.7
CHUNK_SIZE = 50

TRUE_WORDS = ("approved", "yes", "ok", "accept", "pass", "confirm", "agree", "true", "lgtm")
FALSE_WORDS = ("rejected", "no", "deny", "block", "fail", "refuse", "disagree", "false")
_WORD = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(TRUE_WORDS + FALSE_WORDS)})(?![A-Za-z0-9])", re.IGNORECASE)


def match_enum(text: str, candidates: Sequence[str], threshold: float = THRESHOLD) -> str | None:
    """The candidate that a text names last; failing that, the one that a word of it resembles most.

    Of candidates at the same place or with the same likeness, the earlier one.

    >>> match_enum("not LOW, rather High", ["low", "high"])
    'high'
    >>> match_enum("hihg", ["low", "high"])
    'high'
    """
    lowered = text.lower()
    places = [lowered.rfind(candidate.lower()) for candidate in candidates]
    if places and max(places) >= 0:
        return candidates[places.index(max(places))]
    return _most_alike(lowered.split(), candidates, threshold)


def _most_alike(words: Sequence[str], candidates: Sequence[str], threshold: float) -> str | None:
    best, found = threshold, None
    for word in map(_trimmed, words):
        for candidate in candidates:
            likeness = jaro_winkler(word, candidate.lower())
            if likeness > best or (found is None and likeness == best):
                best, found = likeness, candidate
    return found


def _trimmed(word: str) -> str:
    start, end = 0, len(word)
    while start < end and not word[start].isalnum():
        start += 1
    while end > start and not word[end - 1].isalnum():
        end -= 1
    return word[start:end]


def jaro_winkler(a: str, b: str) -> float:
    """Jaro's likeness of two strings, raised for a common start of up to four characters when it is above 0.7.

    >>> round(jaro_winkler("martha", "marhta"), 4)
    0.9611
    """
    jaro = _jaro(a, b)
    if jaro <= THRESHOLD:
        return jaro
    common = 0
    for left, right in zip(a[:4], b[:4], strict=False):
        if left != right:
            break
        common += 1
    return jaro + 0.1 * common * (1 - jaro)


def _jaro(a: str, b: str) -> float:
    if not a or not b:
        return float(a == b)
    reach = max(max(len(a), len(b)) // 2 - 1, 0)
    taken = [False] * len(b)
    left: list[str] = []
    for place, char in enumerate(a):
        for other in range(max(0, place - reach), min(len(b), place + reach + 1)):
            if not taken[other] and b[other] == char:
                taken[other] = True
                left.append(char)
                break
    if not left:
        return 0.0
    right = [char for char, used in zip(b, taken, strict=True) if used]
    swapped = sum(one != two for one, two in zip(left, right, strict=True)) // 2
    shared = len(left)
    return (shared / len(a) + shared / len(b) + (shared - swapped) / shared) / 3


def match_bool(text: str) -> bool | None:
    """Whether a text agrees: the last word of agreement or refusal that stands alone decides.

    >>> match_bool("I would not say no: approved."), match_bool("failed")
    (True, None)
    """
    words = _WORD.findall(text)
    return words[-1].lower() in TRUE_WORDS if words else None


def chunk(text: str, mode: str = "lines", size: int = CHUNK_SIZE, overlap: int = 0) -> list[str]:
    """A text in windows of lines or characters; each begins `size - overlap` after the one before.

    >>> chunk("abcdef", "chars", 4, 2)
    ['abcd', 'cdef']
    """
    parts: Sequence[str] = text if mode == "chars" else _lines(text)
    joint = "" if mode == "chars" else "\n"
    if size <= 0 or not text:
        return []
    step = size - overlap if overlap < size else 1
    windows: list[str] = []
    for start in range(0, len(parts), step):
        windows.append(joint.join(parts[start : start + size]))
        if start + size >= len(parts):
            break
    return windows


def _lines(text: str) -> list[str]:
    r"""Split at `\n` and `\r\n`; a last end of line begins no further line."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]
