"""The Python workers of the review: plain typed functions whose parameters come from the step's input."""

from __future__ import annotations

import ast
import os
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skep import Invocation

OWN_SOURCE = Path(__file__).resolve().parents[2] / "src" / "skep"
MOST_FILES = 5_000
MOST_BYTES = 1_000_000
COMPLEX = 10
"""A function with more paths than this is a finding."""

_PARSER = threading.Lock()
"""CPython builds trees with one depth counter for all threads: SystemError, "recursion depth mismatch"."""

# Old escapes in a reviewed file are not ours to warn about.
warnings.filterwarnings("ignore", module="reviewed")


@dataclass
class Tree:
    """What there is to review; paths are relative to `root`."""

    root: str
    files: list[str]
    left_out: int


def inventory(path: str, inv: Invocation) -> Tree:
    """Every `.py` file under `path`, sorted; links and hidden names are left out."""
    root = Path(inv.work_dir or ".", path).resolve() if path else OWN_SOURCE
    if not root.is_dir():
        raise NotADirectoryError(f"{root} is not a folder: choose one with --input path=DIR")
    found = sorted(_python_files(root))
    return Tree(str(root), found[:MOST_FILES], max(0, len(found) - MOST_FILES))


def _python_files(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(folder, name)
            if name.endswith(".py") and not name.startswith(".") and file.is_file() and not file.is_symlink():
                yield _as_text(file.relative_to(root))


def _as_text(path: Path) -> str:
    """A name that is not UTF-8 becomes text that names no file: reading it fails, and the report says so."""
    return os.fsencode(path).decode(errors="backslashreplace")


def read(root: str, file: str, inv: Invocation) -> str:
    """The text of one file; what is no text, or too much of it, fails this lane and no other."""
    inv.progress(file)
    with Path(root, file).open("rb") as source:
        data = source.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES:,} bytes")
    return data.decode("utf-8-sig")


@dataclass
class Review:
    """What was found in one file; `findings` is the sum of the other three."""

    file: str
    lines: int
    lint: int
    undocumented: int
    complex: int
    findings: int


def score(file: str, text: str, lint: list[dict[str, Any]]) -> Review:
    """Count what the linter found, missing docstrings and functions with too many paths."""
    try:
        with _PARSER:
            module = ast.parse(text, filename="reviewed")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        module = ast.Module([], [])  # the linter has reported the syntax error as a finding
    undocumented = sum(1 for node in _public(module) if ast.get_docstring(node) is None)
    complicated = sum(
        1 for node in ast.walk(module) if isinstance(node, FUNCTIONS) and _paths(node) > COMPLEX
    )
    return Review(
        file=file,
        lines=len(text.splitlines()),
        lint=len(lint),
        undocumented=undocumented,
        complex=complicated,
        findings=len(lint) + undocumented + complicated,
    )


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BRANCHES = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.IfExp,
    ast.ExceptHandler,
    ast.comprehension,
    ast.match_case,
)


def _public(module: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """The public classes and functions of a module."""
    for node in module.body:
        if isinstance(node, (ast.ClassDef, *FUNCTIONS)) and not node.name.startswith("_"):
            yield node


def _paths(function: ast.AST) -> int:
    """Its cyclomatic complexity: one, and one more for each place where the way may part."""
    return 1 + sum(
        len(node.values) - 1 if isinstance(node, ast.BoolOp) else isinstance(node, _BRANCHES)
        for node in ast.walk(function)
    )


@dataclass
class Failure:
    """A file that could not be reviewed."""

    file: str
    reason: str


@dataclass
class Summary:
    """All lanes together, the worst file first."""

    findings: int
    worst: str | None
    reviews: list[Review]
    failures: list[Failure]


def summarise(files: list[str], lanes: list[dict[str, Any]]) -> Summary:
    """Add the lanes up; lane n belongs to file n."""
    reviews: list[Review] = []
    failures: list[Failure] = []
    for file, lane in zip(files, lanes, strict=True):
        if lane["status"] == "fulfilled":
            reviews.append(Review(**lane["value"]))
        else:
            failures.append(Failure(file, lane["reason"]))
    reviews.sort(key=lambda review: (-review.findings, review.file))
    worst = reviews[0].file if reviews and reviews[0].findings else None
    return Summary(sum(review.findings for review in reviews), worst, reviews, failures)


def advise(summary: Summary) -> list[str]:
    """Where to begin: the files that hold most of what was found."""
    return [
        f"{review.file}: {review.findings} ({review.lint} lint, {review.undocumented} undocumented, "
        f"{review.complex} complex)"
        for review in summary.reviews[:3]
        if review.findings
    ]


def report(tree: Tree, summary: Summary, verdict: str, advice: list[str], inv: Invocation) -> str:
    """Write `review.md` into the folder of the run, whole or not at all; returns its path."""
    target = Path(inv.work_dir or ".", "review.md")
    draft = target.with_name(f".review-{inv.task_id}.md")
    draft.write_text("\n".join(_lines(tree, summary, verdict, advice)) + "\n", encoding="utf-8")
    draft.replace(target)
    return str(target)


def _lines(tree: Tree, summary: Summary, verdict: str, advice: list[str]) -> Iterator[str]:
    yield f"# Review of {_cell(tree.root)}: {verdict}"
    yield ""
    yield f"- {len(tree.files)} files, {len(summary.failures)} of them could not be reviewed"
    yield f"- {summary.findings} findings"
    if tree.left_out:
        yield f"- {tree.left_out} more files were left out (at most {MOST_FILES:,} are reviewed)"
    if advice:
        yield from ("", "## Where to begin", "", *(f"{n}. {_cell(line)}" for n, line in enumerate(advice, 1)))
    yield from ("", "## Files", "", "| file | lines | linter | undocumented | complex | findings |")
    yield "|---|---:|---:|---:|---:|---:|"
    for review in summary.reviews:
        yield f"| {_cell(review.file)} | {' | '.join(map(str, _numbers(review)))} |"
    yield f"| all | {' | '.join(map(str, _totals(summary.reviews)))} |"
    if summary.failures:
        yield from ("", "## Not reviewed", "")
        yield from (f"- {_cell(failure.file)}: {_cell(failure.reason)}" for failure in summary.failures)


def _totals(reviews: list[Review]) -> list[int]:
    return [sum(numbers) for numbers in zip(*map(_numbers, reviews), strict=True)] or [0] * 5


def _numbers(review: Review) -> tuple[int, ...]:
    return review.lines, review.lint, review.undocumented, review.complex, review.findings


def _cell(text: str) -> str:
    """Text from outside as one line of Markdown that means nothing but itself."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:300])
    return re.sub(r"([\\`*_|<>\[\]#])", r"\\\1", shown)
