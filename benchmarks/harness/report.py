"""The table, as Markdown: printed, and written into README.md between two markers so that it cannot drift."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from harness.measure import OTHERS, Numbers, Samples, met, middle, probes_of, ratio
from harness.rows import AtMost, Faster, Probe, Row

BEGIN, END = "<!-- numbers: begin -->", "<!-- numbers: end -->"
VERDICTS = {True: "met", False: "**missed**", None: "-"}


def number(value: float) -> str:
    """Three significant digits, thousands with commas."""
    if value >= 1_000:
        return f"{round(value, -1 if value >= 10_000 else 0):,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def amount(value: float, unit: str) -> str:
    return f"{number(value)} {unit}"


def target(row: Row) -> str:
    if row.target is None:
        return "-"
    if isinstance(row.target, AtMost):
        return f"<= {row.target.limit:g} {row.unit}"
    if isinstance(row.target, Faster):
        return f"rival / {row.target.factor:g}"
    return f"<= {row.target.factor:g} x rival"


def spread(samples: Sequence[Numbers], metric: str, unit: str) -> str:
    values = [numbers[metric] for numbers in samples]
    return f"{number(min(values))} - {number(max(values))} {unit}"


def verdicts(rows: Iterable[Row], samples: Samples) -> list[str]:
    """The short table: one line a row."""
    lines = ["| what | target | rival | rival's | ours | rival / ours | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        rival = row.rival
        against = ("-", "-", "-")
        if rival is not None:
            theirs = amount(middle(samples[rival], row.metric), row.unit)
            against = (rival.name, theirs, f"{number(ratio(row, rival, samples))} x")
        ours = amount(middle(samples[row.ours], row.metric), row.unit)
        verdict = VERDICTS[met(row, samples)]
        cells = (row.what, target(row), *against[:2], ours, against[2], verdict)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def details(rows: Iterable[Row], samples: Samples) -> list[str]:
    """Every probe with its spread: the noise belongs to the number."""
    lines = ["| what | who | median | min - max | times | to ours |", "|---|---|---|---|---|---|"]
    for row in rows:
        for probe in probes_of(row):
            taken = samples[probe]
            against = "-" if probe is row.ours else f"{number(ratio(row, probe, samples))} x"
            middling = amount(middle(taken, row.metric), row.unit)
            noise = spread(taken, row.metric, row.unit)
            lines.append(f"| {row.what} | {probe.name} | {middling} | {noise} | {len(taken)} | {against} |")
    return lines


def document(rows: Sequence[Row], samples: Samples, facts: Iterable[str], command: str) -> str:
    """What stands between the markers."""
    notes = [f"- {row.what}: {row.note}" for row in rows if row.note]
    busy = [numbers[OTHERS] for taken in samples.values() for numbers in taken]
    parts = [
        f"Printed by `{command}`.",
        "",
        *(f"- {fact}" for fact in facts),
        f"- other programs took {median(busy):.0%} of the machine meanwhile (at most {max(busy):.0%})",
        "",
        *verdicts(rows, samples),
        "",
        "Every probe, with its spread:",
        "",
        *details(rows, samples),
        "",
        *notes,
    ]
    return "\n".join(parts).rstrip() + "\n"


def write(readme: Path, text: str) -> None:
    """Replace what stands between the markers of `readme`."""
    before, _, rest = readme.read_text("utf-8").partition(BEGIN)
    _, marker, after = rest.partition(END)
    if not marker:
        raise SystemExit(f"{readme} has no {BEGIN} ... {END}")
    readme.write_text(f"{before}{BEGIN}\n{text}{END}{after}", "utf-8")


def line(row: Row, probe: Probe, numbers: Numbers) -> str:
    """One measurement as it comes."""
    return f"{row.key:<16} {probe.name:<42} {amount(numbers[row.metric], row.unit):>14}"
