"""The main job on real trees: its counts are checked against the tools themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLUEPRINT = str(ROOT / "examples" / "review" / "blueprint.yaml")
RUFF = ["--isolated", "--line-length=120", "--select=E,F,W,B,UP,SIM,RET,PLE,PLR,PLW"]


def review(skep, path: str = "tree") -> dict:
    found = skep.json("run", BLUEPRINT, "--input", f"path={path}")
    assert found["status"] == "done", found
    return found["result"]


@pytest.fixture
def tree(skep):
    folder = skep.folder / "tree"
    folder.mkdir()
    return folder


def linted(folder: Path) -> int:
    command = [str(Path(sys.executable).with_name("ruff")), "check", *RUFF, "--no-cache", "--exit-zero"]
    done = subprocess.run(
        [*command, "--output-format=json", str(folder)], capture_output=True, text=True, check=True, cwd="/"
    )
    return len(json.loads(done.stdout))


def test_its_own_source_with_counts_that_hold(skep):
    result = review(skep, str(ROOT / "src" / "skep"))
    files = sorted(str(file.relative_to(ROOT / "src/skep")) for file in (ROOT / "src/skep").rglob("*.py"))
    assert result["files"] == len(files)
    assert result["tree"]["files"] == files
    reviews = result["summary"]["reviews"]
    assert sum(one["lint"] for one in reviews) == linted(ROOT / "src/skep")
    assert result["findings"] == sum(one["lint"] + one["undocumented"] + one["complex"] for one in reviews)
    assert result["summary"]["failures"] == []
    report = (skep.folder / "review.md").read_text()
    assert result["report"] == str(skep.folder / "review.md")
    assert f"- {len(files)} files, 0 of them could not be reviewed" in report
    assert f"- {result['findings']} findings" in report
    assert report.count("\n| ") == len(files) + 2


def test_one_file_counted_by_hand(skep, tree):
    branches = "".join(f"    if n == {n}:\n        print(n)\n" for n in range(10))
    (tree / "bad.py").write_text(f"""import os


def public(n):
{branches}

class Thing:
    def method(self):
        '''Said.'''

    def _private(self):
        pass
""")
    (tree / "good.py").write_text("")
    result = review(skep)
    assert (result["files"], result["worst"], result["verdict"]) == (2, "bad.py", "needs work")
    bad, good = result["summary"]["reviews"]
    assert bad["file"] == "bad.py"
    assert (bad["undocumented"], bad["complex"], bad["lint"]) == (2, 1, linted(tree))
    assert good["findings"] == 0
    assert result["findings"] == bad["findings"]
    assert result["advice"][0].startswith("bad.py")


def test_an_empty_folder_is_good(skep, tree):
    assert list(tree.iterdir()) == []
    result = review(skep)
    assert (result["files"], result["findings"], result["worst"], result["verdict"]) == (0, 0, None, "good")
    assert "0 files" in (skep.folder / "review.md").read_text()


def test_a_file_that_cannot_be_read_fails_its_own_lane(skep, tree):
    (tree / "latin.py").write_bytes(b"name = '\xe9'\n")
    (tree / "huge.py").write_text("#" * 1_000_001)
    (tree / "good.py").write_text("x = 1\n")
    result = review(skep)
    assert (result["files"], result["verdict"]) == (3, "needs work")
    failures = {failure["file"]: failure["reason"] for failure in result["summary"]["failures"]}
    assert "can't decode byte 0xe9" in failures["latin.py"]
    assert "larger than 1,000,000 bytes" in failures["huge.py"]
    assert [one["file"] for one in result["summary"]["reviews"]] == ["good.py"]
    assert "- latin.py: " in (skep.folder / "review.md").read_text()


def test_what_does_not_parse_is_a_finding(skep, tree):
    (tree / "broken.py").write_text("def f(:\n    pass\n")
    (tree / "deep.py").write_text("(" * 500 + ")" * 500 + "\n")
    (tree / "nul.py").write_text("x = 1\0\n")
    result = review(skep)
    assert result["summary"]["failures"] == []
    assert result["files"] == 3
    assert {one["file"]: one["lint"] > 0 for one in result["summary"]["reviews"]}["broken.py"]


def test_strange_names_links_and_loops(skep, tree):
    (tree / "with space.py").write_text("")
    (tree / "new\nline |*.py").write_text("import os\n")
    (tree / "sub").mkdir()
    (tree / "sub" / "loop").symlink_to(tree)
    (tree / "link.py").symlink_to(tree / "with space.py")
    (tree / "gone.py").symlink_to(tree / "none.py")
    (tree / "folder.py").mkdir()
    (tree / ".hidden").mkdir()
    (tree / ".hidden" / "x.py").write_text("")
    result = review(skep)
    assert result["tree"]["files"] == ["new\nline |*.py", "with space.py"]
    assert result["worst"] == "new\nline |*.py"
    assert "| new\\\\nline \\|\\*.py |" in (skep.folder / "review.md").read_text()


def test_a_name_that_is_not_utf8_fails_its_own_lane(skep, tree):
    with open(os.fsencode(tree) + b"/\xff.py", "w") as file:  # noqa: PTH123 - a Path has no bytes
        file.write("")
    result = review(skep)
    assert result["files"] == 1
    assert result["summary"]["failures"][0]["file"] == "\\xff.py"


def test_a_folder_that_is_not_there_is_said_in_one_line(skep):
    done = skep("run", BLUEPRINT, "--input", "path=nowhere")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "nowhere is not a folder" in line


def test_without_a_path_its_own_source_is_reviewed(skep):
    found = skep.json("run", BLUEPRINT)
    assert found["result"]["tree"]["root"] == str(ROOT / "src" / "skep")
