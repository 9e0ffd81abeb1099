"""The benchmarks' own code: it must measure what it says, and its table must not drift. No timing here."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def harness(monkeypatch):
    """Imports a module of benchmarks/harness, and leaves nothing of it behind."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    before = set(sys.modules)
    yield lambda name: importlib.import_module(f"harness.{name}")
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == "harness":
            del sys.modules[name]


@pytest.fixture
def pair(harness):
    """A row with a target, and one sample for each given pair of numbers (ours, the rival's)."""
    rows = harness("rows")

    def make(target, *pairs):
        ours, rival = rows.Probe("skep", "a.py", ()), rows.Probe("rival", "b.py", (), peer=True)
        row = rows.Row("key", "a thing", "us", "us", target, ours, rival)
        samples = {ours: [{"us": us} for us, _ in pairs], rival: [{"us": us} for _, us in pairs]}
        return row, samples

    return make


def test_every_row_has_a_key_of_its_own_and_scripts_that_exist(harness):
    rows, measure = harness("rows"), harness("measure")
    table = rows.rows(rows.FULL)
    assert len({row.key for row in table}) == len(table)
    for row in table:
        for probe in measure.probes_of(row):
            assert (BENCHMARKS / probe.script).is_file()
            assert not probe.script.startswith("ours") or not probe.peer


def test_the_peers_are_names_and_versions_only():
    for line in (BENCHMARKS / "requirements-peers.txt").read_text("utf-8").splitlines():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][0-9.]*", line), line


def test_a_ratio_is_the_median_over_pairs_that_ran_side_by_side(harness, pair):
    measure, rows = harness("measure"), harness("rows")
    row, samples = pair(rows.Faster(2), (1.0, 3.0), (10.0, 20.0), (1.0, 2.0))
    assert measure.ratio(row, row.rival, samples) == 2.0


@pytest.mark.parametrize(
    ("kind", "bound", "expected"),
    [
        ("AtMost", 10, True),
        ("AtMost", 9.9, False),
        ("Faster", 4, True),
        ("Faster", 4.1, False),
        ("Within", 0.25, True),
        ("Within", 0.24, False),
    ],
)
def test_a_target_is_met_or_missed(harness, pair, kind, bound, expected):
    measure, rows = harness("measure"), harness("rows")
    row, samples = pair(getattr(rows, kind)(bound), (10.0, 40.0))
    assert measure.met(row, samples) is expected
    text = "\n".join(harness("report").verdicts([row], samples))
    assert ("**missed**" in text) is not expected


def test_writing_replaces_only_what_stands_between_the_markers(harness, tmp_path):
    report = harness("report")
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", "utf-8")
    report.write(readme, "new\n")
    report.write(readme, "newer\n")
    assert readme.read_text("utf-8") == f"before\n{report.BEGIN}\nnewer\n{report.END}\nafter\n"


def test_a_readme_without_markers_is_refused(harness, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("text\n", "utf-8")
    with pytest.raises(SystemExit, match=r"README\.md has no"):
        harness("report").write(readme, "new\n")
    assert readme.read_text("utf-8") == "text\n"


def test_a_probe_whose_check_fails_gives_no_number(harness, tmp_path):
    rows, measure = harness("rows"), harness("measure")
    probe = rows.starting("broken", 1, "{python}", "-c", "raise SystemExit(3)")
    with pytest.raises(measure.ProbeFailed, match="ended with 3"):
        measure.run_probe(probe, tmp_path)


SMALL = [
    (("ours_chain.py", "memory", "group", "70"), "us_per_step"),
    (("ours_chain.py", "sqlite", "group", "70"), "us_per_step"),
    (("ours_chain.py", "sqlite", "step", "5"), "p50_us"),
    (("ours_many.py", "3", "3"), "us_per_step"),
    (("ours_fanout.py", "memory", "5"), "ms"),
    (("ours_fanout.py", "sqlite", "5"), "ms"),
    (("ours_rss.py", "one", "20"), "growth_mib"),
    (("ours_rss.py", "many", "20"), "growth_mib"),
    (("ours_million.py", "3000"), "late_over_early"),
    (("ours_disk.py", "5", "64"), "mb"),
    (("ours_tokens.py", "50"), "wire_us"),
    (("ours_waiters.py", "memory", "20"), "ms"),
    (("ours_waiters.py", "sqlite", "20"), "ms"),
    (("ours_questions.py", "memory", "100"), "p50_us"),
    (("ours_questions.py", "sqlite", "100"), "p50_us"),
    (("ours_ndjson.py", "engine", "partial", "100"), "us_per_line"),
    (("ours_ndjson.py", "engine", "progress", "100", "sqlite"), "us_per_line"),
    (("ours_ndjson.py", "readline", "partial", "100"), "us_per_line"),
    (("ours_persistent.py", "persistent", "5", "2"), "us_per_attempt"),
    (("ours_layers.py", "10", "5"), "us_for_layers"),
    (("ours_persistent.py", "spawning", "3", "2"), "us_per_attempt"),
    (("commit_floor.py", "5"), "p50_us"),
    (("sketch.py", "5"), "us_per_step"),
    (("starting.py", "1", "{python}", "-c", "pass"), "beyond_ms"),
]


@pytest.mark.parametrize(
    ("command", "metric"), SMALL, ids=lambda part: " ".join(part) if type(part) is tuple else part
)
def test_each_probe_measures_and_checks_itself(harness, tmp_path, command, metric):
    rows, measure = harness("rows"), harness("measure")
    script, *args = command
    numbers = measure.run_probe(rows.skep(script, *args), tmp_path)
    assert metric in numbers


def test_the_written_table_has_every_row_and_the_command_that_prints_it(harness):
    rows, report = harness("rows"), harness("report")
    text = (BENCHMARKS / "README.md").read_text("utf-8")
    table = text.partition(report.BEGIN)[2].partition(report.END)[0]
    assert "python benchmarks/run.py --long --write" in table
    for row in rows.rows(rows.FULL):
        assert f"| {row.what} |" in table
