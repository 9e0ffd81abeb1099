"""Run probes in fresh processes, alternating, and keep every sample."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median

from harness.rows import AtMost, Faster, Probe, Row, Within

BENCHMARKS = Path(__file__).resolve().parent.parent
TIMEOUT = 1_800
"""Seconds for one probe."""

OTHERS = "others_cpu"
"""The share of the machine that other programs took while a probe ran, beside the probe's own numbers."""

Numbers = dict[str, float]
Samples = dict[Probe, list[Numbers]]


class ProbeFailed(Exception):
    """A probe crashed, or its own check of its result failed: there is no number to show."""


def run_probe(probe: Probe, peers: Path) -> Numbers:
    """One fresh process; the numbers of its last line, and how busy others kept the machine meanwhile."""
    python = str(peers) if probe.peer else sys.executable
    command = [python, str(BENCHMARKS / probe.script), *probe.args]
    before = cpu_seconds()
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    if ended.returncode != 0:
        raise ProbeFailed(
            f"{probe.name}: {' '.join(command)} ended with {ended.returncode}\n{ended.stderr[-2000:]}"
        )
    busy, all_, own = (after - then for after, then in zip(cpu_seconds(), before, strict=True))
    others = max(0.0, busy - own) / all_ if all_ else 0.0
    return {**json.loads(ended.stdout.splitlines()[-1]), OTHERS: others}


def cpu_seconds() -> tuple[float, float, float]:
    """Of the machine: seconds worked and seconds in all; then those worked by our ended children."""
    ticks = [int(word) for word in Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    hertz = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - idle) / hertz, sum(ticks) / hertz, own.ru_utime + own.ru_stime


def probes_of(row: Row) -> tuple[Probe, ...]:
    """All probes of a row, ours first."""
    return (row.ours, *((row.rival,) if row.rival else ()), *row.others)


def measure(
    rows: Iterable[Row], repetitions: int, peers: Path, progress: Callable[[Row, Probe, Numbers], None]
) -> Samples:
    """Every probe of every row, `repetitions` times: A B A B, so that a slow minute hits both sides.

    A row whose probes were all measured by an earlier one takes those samples.
    """
    samples: Samples = {}
    for row in rows:
        probes = probes_of(row)
        if all(probe in samples for probe in probes):
            continue
        taken: Samples = {probe: [] for probe in probes}
        for _ in range(1 if row.slow else repetitions):
            for probe in probes:
                numbers = run_probe(probe, peers)
                taken[probe].append(numbers)
                progress(row, probe, numbers)
        samples.update(taken)
    return samples


def middle(samples: Sequence[Numbers], metric: str) -> float:
    """The median of one number."""
    return median(numbers[metric] for numbers in samples)


def ratio(row: Row, other: Probe, samples: Samples) -> float:
    """How often ours goes into the other's number: the median over pairs that ran side by side."""
    pairs = zip(samples[row.ours], samples[other], strict=True)
    return median(theirs[row.metric] / ours[row.metric] for ours, theirs in pairs)


def met(row: Row, samples: Samples) -> bool | None:
    """Whether our median reaches the target; `None` without one."""
    if row.target is None:
        return None
    if isinstance(row.target, AtMost):
        return middle(samples[row.ours], row.metric) <= row.target.limit
    assert row.rival is not None, f"{row.key} has a ratio for a target and nobody to compare with"
    value = ratio(row, row.rival, samples)
    if isinstance(row.target, Faster):
        return value >= row.target.factor
    assert isinstance(row.target, Within)
    return 1 / value <= row.target.factor
