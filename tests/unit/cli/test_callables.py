from __future__ import annotations

import doctest
import sys

import pytest

from skep.cli import python_names
from skep.cli.callables import check_callables, import_callables
from skep.flow.load import load_blueprint

AGENTS = """
import os.path
from json import dumps as to_text
async def review(inv): return 1
def publish(inv):
    hidden = 1
if True:
    late = review
LIMIT: int = 3
class Group:
    size = [1]
    def make(self): ...
    class Inner:
        async def go(self): ...
class Child(Group): ...
def wrap(it): return it
@wrap
class Wrapped: ...
def outer(): ...
outer.inner = review
def later():
    global made
    made = review
both = 1
if LIMIT:
    both = review
match LIMIT:
    case int() as matched: ...
"""


@pytest.fixture
def loaded(tmp_path):
    (tmp_path / "agents.py").write_text(AGENTS)
    (tmp_path / "leaves.py").write_text("def f(): ...\nprint('noise')\nraise SystemExit('imported')\n")
    (tmp_path / "raises.py").write_text("import json\njson.loads('[')\ndef f(): ...\n")
    (tmp_path / "needs.py").write_text("import nothing_of_this_name\ndef f(): ...\n")
    (tmp_path / "star.py").write_text("from os import *\n")
    (tmp_path / "dynamic.py").write_text("globals()['f'] = print\n")
    (tmp_path / "broken.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("from .mod import go as start\n")
    (tmp_path / "pkg" / "mod.py").write_text("def go(x): ...\n")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "mod.py").write_text("go = print\npattern = '\\d'\n")

    def of(reference):
        file = tmp_path / "b.yaml"
        file.write_text(
            f"id: b\nflow:\n  - {{step: a, in: $, out: $.r}}\nagents:\n  a:\n    kind: python\n    spec:\n"
            f"      callable: {reference}\n"
        )
        return load_blueprint(file)

    return of


THERE = [
    *("review", "publish", "late", "to_text", "os.getcwd", "Group", "Group.make", "Group.Inner.go", "made"),
    *("Child.make", "Wrapped.make", "outer.inner", "publish.__call__", "both", "matched", "Group.mro"),
]
ELSEWHERE = ["star:getcwd", "dynamic:f", "pkg:mod.go", "pkg.mod:go", "bare.mod:go", "xml.dom.minidom:parse"]


@pytest.mark.parametrize("reference", [*(f"agents:{name}" for name in THERE), *ELSEWHERE, "leaves:f"])
def test_what_may_be_there_passes_and_nothing_is_imported(loaded, reference):
    blueprint = loaded(reference)
    before = set(sys.modules)
    assert check_callables(blueprint) == []
    assert set(sys.modules) == before


@pytest.mark.parametrize(
    ("reference", "message", "fix"),
    [
        ("agentz:review", "module 'agentz' was not found", "did you mean 'agents'?"),
        ("agents:reviwe", "there is no 'reviwe' in agents.py", "did you mean 'review'?"),
        ("agents:hidden", "there is no 'hidden' in agents.py", "known: "),
        ("agents:LIMIT", "LIMIT of agents.py is a value, not callable", "name a function"),
        ("agents:Group.size", "size of Group of agents.py is a value, not callable", "name a function"),
        ("agents:Group.mkae", "there is no 'mkae' in Group of agents.py", "did you mean 'make'?"),
        ("agents:Group.Inner.stop", "there is no 'stop' in Inner of Group of agents.py", "known: go"),
        ("agents:publish.hidden", "there is no 'hidden' in publish of agents.py", "define hidden"),
        ("agents.inner:go", "module 'agents.inner' was not found", "agents"),
        ("pkg.nod:go", "module 'pkg.nod' was not found", "pkg"),
        ("pkg:go", "there is no 'go' in __init__.py", "start"),
        ("broken:f", "broken.py, line 2", "correct it there"),
    ],
)
def test_what_is_not_there_is_told_with_its_line(loaded, reference, message, fix):
    blueprint = loaded(reference)
    (problem,) = blueprint.located(check_callables(blueprint))
    assert (problem.place, problem.code, problem.line) == ("agents[0].spec.callable", "E-CALLABLE", 8)
    assert problem.message.startswith("agent 'a': ")
    assert message in problem.message
    assert fix in problem.fix


@pytest.mark.parametrize("reference", ["agents:review", "agents:Group.Inner.go", "pkg:mod.go", "star:getcwd"])
def test_what_can_be_imported_passes(loaded, reference):
    assert import_callables(loaded(reference)) == []


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("leaves:f", "importing leaves raised SystemExit: imported (leaves.py, line 3)"),
        ("raises:f", "importing raises raised JSONDecodeError: Expecting value"),
        ("needs:f", "importing needs raised ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("agents:Child.maek", "there is no 'maek' in it"),
        ("agents:os.sep", "agents:os.sep is str, not callable"),
        ("broken:f", "SyntaxError"),
    ],
)
def test_an_import_that_raises_names_its_cause_and_is_not_heard(loaded, capsys, reference, message):
    (problem,) = import_callables(loaded(reference))
    assert (problem.place, problem.code) == ("agents[0].spec.callable", "E-CALLABLE")
    assert message in problem.message
    assert problem.fix
    assert capsys.readouterr().out == ""


def test_the_example_runs():
    assert doctest.testmod(python_names) == (0, 1)
