from __future__ import annotations

import sys

import pytest

from skep.errors import BlueprintError
from skep.flow.load import load_blueprint
from skep.workers.python import load
from skep.workers.python.check import check_callables

AGENTS = """
import os.path
from json import dumps as to_text
async def review(inv): return 1
def publish(inv):
    hidden = 1
if True:
    late = review
class Group: ...
"""


@pytest.fixture
def check(tmp_path):
    (tmp_path / "agents.py").write_text(AGENTS + "raise SystemExit('imported')\n")
    (tmp_path / "star.py").write_text("from os import *\n")
    (tmp_path / "broken.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    (tmp_path / "pkg" / "mod.py").write_text("def go(x): return '\\d'\n")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "mod.py").write_text("go = 1\n")

    def of(reference):
        file = tmp_path / "b.yaml"
        file.write_text(
            f"id: b\nflow:\n  - {{step: a, in: $, out: $.r}}\nagents:\n  a:\n    kind: python\n    spec:\n"
            f"      callable: {reference}\n"
        )
        loaded = load_blueprint(file)
        return loaded.located(check_callables(loaded))

    return of


@pytest.mark.parametrize(
    "reference",
    [
        *(f"agents:{name}" for name in ("review", "publish", "late", "Group.make", "to_text", "os")),
        "star:getcwd",
        "pkg.mod:go",
        "bare.mod:go",
        "json:dumps",
        "xml.dom.minidom:parse",
    ],
)
def test_what_is_there_passes(check, reference):
    before = set(sys.modules)
    assert check(reference) == []
    assert not {"agents", "star", "pkg", "xml.dom.minidom"} & (set(sys.modules) - before)


@pytest.mark.parametrize(
    ("reference", "message", "fix"),
    [
        ("agentz:review", "module 'agentz' was not found", "did you mean 'agents'?"),
        ("agents:reviwe", "there is no 'reviwe' in agents.py", "did you mean 'review'?"),
        ("agents:hidden", "there is no 'hidden' in agents.py", "known: "),
        ("agents.inner:go", "module 'agents.inner' was not found", "agents"),
        ("pkg.nod:go", "module 'pkg.nod' was not found", "pkg"),
        ("pkg:go", "there is no 'go' in __init__.py", "define go in __init__.py"),
        ("broken:f", "broken.py, line 2", "correct it there"),
    ],
)
def test_what_is_not_there_is_told_with_its_line(check, reference, message, fix):
    (problem,) = check(reference)
    assert (problem.place, problem.code, problem.line) == ("agents[0].spec.callable", "E-CALLABLE", 8)
    assert problem.message.startswith("agent 'a': ")
    assert message in problem.message
    assert fix in problem.fix


def test_a_module_that_cannot_be_loaded_has_a_remedy(tmp_path):
    with pytest.raises(BlueprintError) as caught:
        load.load_callable("agentz:go", tmp_path)
    assert "put agentz.py beside the Blueprint" in caught.value.fix
