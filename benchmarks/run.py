"""The benchmarks: ours and the peers' side by side, each measurement in a fresh process.

python benchmarks/run.py                 the whole table but its slowest row, about ten minutes
python benchmarks/run.py --quick         small and short, to try a change (its verdicts mean nothing)
python benchmarks/run.py --long --write  with that row too; writes the table into benchmarks/README.md
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from harness import machine, measure, report
from harness.rows import FULL, QUICK, Row, rows

HERE = Path(__file__).resolve().parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer steps, two repetitions")
    parser.add_argument("--long", action="store_true", help="also the rows that take minutes")
    parser.add_argument("--only", metavar="KEY", action="append", help="only this row (may be repeated)")
    parser.add_argument(
        "--list", action="store_true", help="print the keys of the rows and what they measure"
    )
    parser.add_argument(
        "--repetitions", type=int, metavar="N", help="how often each probe runs (5; quick: 2)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--write", action="store_true", help="write the table into benchmarks/README.md")
    parser.add_argument("--peers", type=Path, default=PEERS, metavar="PYTHON", help="the peers' interpreter")
    return parser.parse_args()


def chosen(options: argparse.Namespace) -> list[Row]:
    table = rows(QUICK if options.quick else FULL)
    if not options.only:
        return [row for row in table if options.long or not row.slow]
    unknown = set(options.only) - {row.key for row in table}
    if unknown:
        raise SystemExit(f"no row {', '.join(sorted(unknown))}: --list names them")
    return [row for row in table if row.key in options.only]


def check(options: argparse.Namespace) -> None:
    """Refuse what would make the numbers wrong."""
    if not options.peers.exists():
        raise SystemExit(f"no interpreter at {options.peers}: `make bench` installs the peers")
    if machine.file_system(Path(tempfile.gettempdir())) in machine.MEMORY_FILE_SYSTEMS:
        raise SystemExit(
            "the temporary folder is in memory, where nothing is durable: set TMPDIR to a folder on a disk"
        )
    if options.write and (options.quick or options.only or not options.long):
        raise SystemExit("--write wants the whole table: --long, without --quick and --only")


def command(options: argparse.Namespace) -> str:
    """What a reader types to print the same table; where this machine keeps its files is left out."""
    flags = [f"--{name}" for name in ("quick", "long", "write") if getattr(options, name)]
    keys = [f"--only {key}" for key in options.only or ()]
    repetitions = [f"--repetitions {options.repetitions}"] if options.repetitions else []
    return " ".join(["python benchmarks/run.py", *flags, *keys, *repetitions])


def main() -> None:
    options = arguments()
    table = chosen(options)
    if options.list:
        for row in table:
            print(f"{row.key:<18} {row.what}")
        return
    check(options)
    repetitions = options.repetitions or (2 if options.quick else 5)
    try:
        samples = measure.measure(
            table,
            repetitions,
            options.peers,
            lambda *one: print(report.line(*one), file=sys.stderr, flush=True),
        )
    except measure.ProbeFailed as error:
        raise SystemExit(str(error)) from error
    text = report.document(table, samples, machine.facts(options.peers), command(options))
    print(text)
    if options.json:
        found = [
            {"row": row.key, "probe": probe.name, "samples": samples[probe]}
            for row in table
            for probe in measure.probes_of(row)
        ]
        options.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if options.write:
        report.write(HERE / "README.md", text)


if __name__ == "__main__":
    main()
