"""Welch's t-test from summary figures (B. L. Welch, Biometrika 34, 1947)."""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

SIGNIFICANT = 0.05
_TINY = 1e-300
_PRECISION = 1e-15
_MAX_TERMS = 1_000
_EQUAL = 0.001

Direction = Literal["a>b", "a<b", "equal", "insufficient_data"]


class Sample(Struct, frozen=True):
    """A sample by its size, mean and standard deviation (with n - 1)."""

    n: int
    mean: float
    std_dev: float


class Welch(Struct, frozen=True):
    """`t_stat` is null where neither sample varies and the means differ: it has no bound there."""

    t_stat: float | None
    df: float
    p_value: float
    significant: bool
    direction: Direction


def welch(a: Sample, b: Sample) -> Welch:
    """Whether two means differ, two-sided.

    >>> found = welch(Sample(10, 0.9, 0.1), Sample(12, 0.7, 0.2))
    >>> round(found.t_stat, 3), round(found.df, 1), round(found.p_value, 4), found.direction
    (3.038, 16.7, 0.0075, 'a>b')
    """
    if min(a.n, b.n) < 2:  # noqa: PLR2004 - one value has no variance
        return Welch(0.0, 0.0, 1.0, significant=False, direction="insufficient_data")
    of_a, of_b = a.std_dev**2 / a.n, b.std_dev**2 / b.n
    squared = of_a + of_b
    if squared == 0:
        df = float(a.n + b.n - 2)
        if a.mean == b.mean:
            return Welch(0.0, df, 1.0, significant=False, direction="equal")
        return Welch(None, df, 0.0, significant=True, direction="a>b" if a.mean > b.mean else "a<b")
    t = (a.mean - b.mean) / math.sqrt(squared)
    df = 1 / ((of_a / squared) ** 2 / (a.n - 1) + (of_b / squared) ** 2 / (b.n - 1))
    p = two_sided(t, df)
    direction: Direction = "equal" if abs(t) < _EQUAL else "a>b" if t > 0 else "a<b"
    return Welch(t, df, p, significant=p < SIGNIFICANT, direction=direction)


def two_sided(t: float, df: float) -> float:
    """The probability of a value of Student's t at least as far from 0.

    >>> round(two_sided(2.228139, 10), 6)
    0.05
    """
    return _incomplete_beta(df / (df + t * t), df / 2, 0.5)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction on the side where that is quick."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)), forwards (the method of Lentz)."""
    value, c, d = 1.0, 1.0, 0.0
    for n in range(1, _MAX_TERMS):
        m = n // 2
        if n % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / ((1 + term * d) or _TINY)
        c = (1 + term / c) or _TINY
        value *= c * d
        if abs(c * d - 1) < _PRECISION:
            break
    return value
