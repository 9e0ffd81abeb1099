from __future__ import annotations

import sys
import textwrap

import pytest

from skep.errors import BlueprintError
from skep.workers.python import load
from skep.workers.python.load import load_callable


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch):
    """What a test imports is gone after it."""
    before = dict(sys.modules)
    path = list(sys.path)
    monkeypatch.setattr(load, "_owners", {})
    yield
    assert sys.path == path
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


def folder(tmp_path, name, **files):
    at = tmp_path / name
    at.mkdir(exist_ok=True)
    for module, text in files.items():
        file = at / f"{module.replace('__in__', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(textwrap.dedent(text))
    return at


def test_a_module_that_cannot_be_found_has_a_remedy(tmp_path):
    with pytest.raises(BlueprintError) as caught:
        load_callable("agentz:go", tmp_path)
    assert "put agentz.py beside the Blueprint" in caught.value.fix


def test_a_module_beside_the_blueprint(tmp_path):
    at = folder(tmp_path, "a", agents="def work(): return __name__\nclass Group:\n    def go(): return 1\n")
    work = load_callable("agents:work", at)
    assert load_callable("agents:work", str(at)) is work
    assert load_callable("agents:Group.go", at)() == 1
    assert "agents" not in sys.modules
    assert sys.modules[work()].work is work


def test_equal_names_in_two_folders_do_not_mix(tmp_path):
    one = load_callable("agents:work", folder(tmp_path, "one", agents="def work(): return 1"))
    two = load_callable("agents:work", folder(tmp_path, "two", agents="def work(): return 2"))
    assert (one(), two()) == (1, 2)


def test_it_may_import_its_neighbours(tmp_path):
    at = folder(
        tmp_path, "a", agents="import helper_of_a\ndef work(): return helper_of_a.n", helper_of_a="n = 3"
    )
    assert load_callable("agents:work", at)() == 3


def test_packages_relative_imports_and_folders_without_init(tmp_path):
    at = folder(
        tmp_path,
        "a",
        pkg__in____init__="from .deep import n",
        pkg__in__deep="from . import other\nn = other.n\ndef work(): return n",
        pkg__in__other="n = 5",
        bare__in__mod="def work(): return 6",
    )
    assert load_callable("pkg.deep:work", at)() == 5
    assert load_callable("bare.mod:work", at)() == 6
    other = folder(tmp_path, "b", pkg__in____init__="", pkg__in__deep="def work(): return 7")
    assert load_callable("pkg.deep:work", other)() == 7
    assert load_callable("pkg.deep:work", at)() == 5


def test_neighbours_of_equal_name_are_refused_not_mixed(tmp_path):
    text = "import helpers\ndef work(): return helpers.n"
    one = folder(tmp_path, "one", agents=text, helpers="n = 1")
    two = folder(tmp_path, "two", agents=text, helpers="n = 2")
    work = load_callable("agents:work", one)
    with pytest.raises(BlueprintError, match=r"two and .*one both have a module 'helpers'.*rename one"):
        load_callable("agents:work", two)
    assert work() == 1
    assert load_callable("agents:work", one) is work


def test_neighbours_are_not_seen_from_another_folder(tmp_path):
    load_callable("agents:n", folder(tmp_path, "one", agents="import only_in_one\nn = len", only_in_one=""))
    with pytest.raises(BlueprintError, match=r"importing agents raised ModuleNotFoundError: .*only_in_one"):
        load_callable("agents:n", folder(tmp_path, "two", agents="import only_in_one\nn = len"))


def test_installed_modules_and_those_of_the_host(tmp_path):
    assert load_callable("json:dumps", tmp_path)([1]) == "[1]"
    assert load_callable("os.path:join")("a", "b") == "a/b"
    beside = folder(tmp_path, "a", json="def dumps(_): return 'own'")
    assert load_callable("json:dumps", beside)(1) == "own"
    assert load_callable("json:dumps", tmp_path)(1) == "1"


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("agents", "is no callable.*module:function"),
        ("agents:", "is no callable"),
        ("a/b:c", "is no callable"),
        ("..agents:work", "is no callable"),
        ("nowhere_at_all:work", "module 'nowhere_at_all' was not found in .*installed"),
        ("agents.sub:work", "module 'agents.sub' was not found|importing agents.sub raised"),
        ("agents:wrok", "there is no 'wrok' in it.*did you mean 'work'"),
        ("os:getpid.x", "os:getpid: there is no 'x' in it .os:getpid is callable: name it as it is"),
        ("agents:Empty.x", "agents:Empty: there is no 'x' in it .name something that agents:Empty has"),
        ("lazy:work", "'work' of lazy: raised ValueError: not made"),
        ("ending:work", r"importing ending raised Ending: now \(ending.py, line 2\)"),
        ("stopping:work", "importing stopping raised GeneratorExit"),
        ("mute:work", r"importing mute raised Mute \(its text cannot be had"),
        ("agents:number", "agents:number is int, not callable"),
        ("raising:work", r"importing raising raised ValueError: no luck \(raising.py, line 3\)"),
        ("leaving:work", "importing leaving raised SystemExit: 3"),
        ("needing:work", "importing needing raised ModuleNotFoundError: .*not_installed_anywhere"),
        ("broken:work", "importing broken raised SyntaxError"),
    ],
)
def test_what_cannot_be_loaded_says_why(tmp_path, reference, text):
    at = folder(
        tmp_path,
        "a",
        agents="number = 3\ndef work(): ...\nclass Empty: ...",
        lazy="def __getattr__(name):\n    if name == 'work': raise ValueError('not made')\n    raise AttributeError",
        ending="class Ending(BaseException): ...\nraise Ending('now')",
        stopping="raise GeneratorExit",
        mute="class Mute(BaseException):\n    def __str__(self): raise KeyError\nraise Mute",
        raising="def f():\n    x = 1\n    raise ValueError('no luck')\nf()",
        leaving="import sys\nsys.exit(3)",
        needing="import not_installed_anywhere",
        broken="def work(:",
    )
    with pytest.raises(BlueprintError, match=text):
        load_callable(reference, at)


def test_a_failed_import_can_be_mended(tmp_path):
    at = folder(tmp_path, "a", agents="1 / 0")
    with pytest.raises(BlueprintError, match="ZeroDivisionError"):
        load_callable("agents:work", at)
    folder(tmp_path, "a", agents="def work(): return 'mended now'")
    assert load_callable("agents:work", at)() == "mended now"
