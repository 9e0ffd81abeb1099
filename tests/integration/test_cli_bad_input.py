"""Hostile or mistaken documents and workers, from the command line: one line, and nothing half done."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys

import pytest

HEAD = "id: x\nagents: {a: workers:double}\n"
STEP = "{step: a, in: {n: $.n}, out: $.n}"
DEEP = "[" * 10_000 + "]" * 10_000
BOMB = "l0: &l0 [x, x]\n" + "".join(f"l{n}: &l{n} [*l{n - 1}, *l{n - 1}, *l{n - 1}]\n" for n in range(1, 40))

TEMPLATE = """id: x
agents:
  a: {kind: python, spec: {callable: "workers:double"}, profile: {system_prompt: "{{ directive.__class__ }}"}}
"""

DOCUMENTS = {
    "an agent that nobody declared": HEAD + "flow: {step: b, in: $.n, out: $.n}",
    "two agents of one name": "id: x\nagents: [{name: a, kind: python}, {name: a, kind: python}]\nflow: "
    + STEP,
    "an unknown node": HEAD + "flow: {stepp: a, in: $.n, out: $.n}",
    "an unknown op": HEAD + "flow: {step: a, in: {op: multiply}, out: $.n}",
    "an unknown field": HEAD + "flow: {step: a, in: $.n, out: $.n, retries: 3}",
    "a condition that is not boolean": HEAD + f"flow: {{branch: 3, then: {STEP}}}",
    "a division by zero": HEAD + "flow: {let: {at: $.n, value: 1 / 0}}",
    "10,000 levels": HEAD + f"flow: {DEEP}",
    "a bomb of aliases": BOMB + "id: x\nflow: []",
    "100,000 minus signs": HEAD + f"flow: {{let: {{at: $.n, value: '{'-' * 100_000}1'}}}}",
    "a file from above": HEAD + "flow: " + STEP + "\nmetadata: {description: {$file: ../secret}}",
    "a file through a link": HEAD + "flow: " + STEP + "\nmetadata: {description: {$file: link}}",
    "a template that reaches for its class": TEMPLATE + "flow: " + STEP,
    "nothing": "",
    "text": "just words",
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_bad_document_is_one_line_exit_2_and_no_run(skep, name):
    (skep.folder.parent / "secret").write_text("do not read")
    (skep.folder / "link").symlink_to(skep.folder.parent / "secret")
    skep.write("bad.yaml", DOCUMENTS[name])
    done = skep("run", "bad.yaml", "--input", "n=1")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("skep: E-")
    assert "bad.yaml" in line
    assert len(line) < 1_000
    assert "do not read" not in line
    assert skep.runs() == 0


@pytest.mark.parametrize("name", ["10,000 levels", "a bomb of aliases", "a file through a link", "text"])
def test_lint_says_it_too(skep, name):
    (skep.folder / "link").symlink_to(skep.folder.parent / "secret")
    skep.write("bad.yaml", DOCUMENTS[name])
    done = skep("lint", "bad.yaml")
    assert done.returncode == 2
    assert "bad.yaml" in done.stdout + done.stderr


def test_a_document_that_is_not_utf8(skep):
    (skep.folder / "bad.yaml").write_bytes(b"id: \xff\n")
    done = skep("run", "bad.yaml")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "UTF-8" in line


def test_lint_reports_every_problem_with_its_line_its_code_and_the_fix(skep):
    skep.write(
        "bad.yaml", HEAD + "flow:\n  - {step: b, in: $.n, out: $.n}\n  - {let: {at: $.n, value: 1 / 0}}\n"
    )
    done = skep("lint", "bad.yaml", "--explain")
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("bad.yaml:4: error: ") and "E-REF" in line]
    assert [line for line in lines if line.startswith("bad.yaml:5: error: ") and "E-DIV-ZERO" in line]
    assert any(line.startswith("E-DIV-ZERO: ") for line in lines), "--explain"
    found = skep("lint", "bad.yaml", "--json")
    problems = json.loads(found.stdout)["problems"]
    assert {problem["code"] for problem in problems} >= {"E-REF", "E-DIV-ZERO"}
    assert found.returncode == 2


RUNS = {
    "a path into a scalar": (f"flow: [{{let: {{at: $.n.m, value: 1}}}}, {STEP}]", "1", "E-PATH"),
    "a condition that turns out not to be boolean": (
        f"flow: {{branch: $.n, then: {STEP}}}",
        "3",
        "E-COND-NOT-BOOL",
    ),
    "a division that turns out to be by zero": ("flow: {let: {at: $.n, value: 1 / $.n}}", "0", "E-DIV-ZERO"),
    "a path that is not there": ("flow: {let: {at: $.n, value: $.m}}", "0", "E-PATH-NOT-FOUND"),
}


@pytest.mark.parametrize("name", RUNS)
def test_what_only_a_run_can_find_fails_it_with_its_code(skep, name):
    flow, given, code = RUNS[name]
    skep.write("bad.yaml", HEAD + flow)
    done = skep("run", "bad.yaml", "--input", f"n={given}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert code in line


ODD = {
    0: ("NaN", "nan is not a JSON number"),
    1: ("a set", "set has no JSON form"),
    2: ("a key that is no text", "is not a string"),
    3: ("a lone surrogate", "surrogate"),
    5: ("200 MB", "max_value_bytes"),
}


@pytest.mark.parametrize("number", ODD, ids=[name for name, _ in ODD.values()])
def test_a_result_that_json_cannot_carry_fails_the_step(skep, number):
    done = skep("run", "odd.yaml", "--input", f"n={number}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert ODD[number][1] in line


def test_a_result_of_20_mb_is_carried_whole(skep):
    assert skep.json("run", "odd.yaml", "--input", "n=4")["result"]["n"] == "x" * 20_000_000


def test_a_store_of_a_newer_schema_is_refused_and_not_touched(skep):
    skep("ps")
    store = skep.home / "skep.db"
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    for words in (("run", "double.yaml", "--input", "n=1"), ("ps",), ("doctor",)):
        done = skep(*words)
        assert done.returncode in (1, 2)
        assert "schema 999" in done.stdout + done.stderr
    with sqlite3.connect(store) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (999,)
    connection.close()


def test_a_file_that_is_no_store_is_refused_and_not_touched(skep):
    file = skep.folder / "letter"
    file.write_text("dear friend, " * 100)
    done = skep("run", "double.yaml", "--input", "n=1", "--store", "sqlite:///letter")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert file.read_text() == "dear friend, " * 100


def test_a_full_disk_stops_the_run_says_so_and_the_run_can_be_resumed(skep):
    skep("ps")
    skep.write("blobs.py", "def blob(n: int) -> str:\n    return 'x' * 30_000\n")
    skep.write(
        "full.yaml",
        "id: full\nagents: {a: blobs:blob}\nflow:\n"
        "  fanout:\n    items: $.items\n    bind: $.n\n    body: {step: a, in: {n: $.n}, out: $.x}\n"
        "    select: $.n\n    out: $.done\n    max_concurrency: 4\n",
    )
    items = json.dumps(list(range(200)))
    command = f"ulimit -f 2000; exec {sys.executable} -m skep run full.yaml --input 'items={items}'"
    done = subprocess.run(
        ["bash", "-c", command], cwd=skep.folder, env=skep.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("skep: E-JOURNAL-FAILED")
    (run,) = skep.json("ps")["runs"]
    assert run["status"] == "interrupted"
    assert skep.json("resume", run["run_id"])["result"]["done"] == list(range(200))


def test_a_place_is_named_once(skep):
    skep.write("bad.yaml", HEAD + "flow:\n  - {let: {at: $.n, value: 1 / 0}}\n")
    assert "bad.yaml:4: flow" in skep("run", "bad.yaml").stderr


def test_lint_runs_the_modules_of_agents_only_when_it_is_asked_to(skep):
    skep.write("loud.py", "print('noise')\nraise ValueError('bad day')\ndef f(n): ...\n")
    skep.write("loud.yaml", "id: x\nagents: {a: loud:f}\nflow: " + STEP)
    assert skep.json("lint", "loud.yaml") == {"ok": True, "file": "loud.yaml", "problems": []}
    assert skep("run", "loud.yaml", "--input", "n=1").returncode == 2
    (problem,) = skep.json("lint", "loud.yaml", "--import")["problems"]
    assert (problem["code"], problem["line"]) == ("E-CALLABLE", 2)
    assert "importing loud raised ValueError: bad day (loud.py, line 2)" in problem["message"]


def test_what_a_worker_prints_is_not_among_the_objects(skep):
    skep.write("loud.py", "print('imported')\ndef f(n: int) -> int:\n    print('called')\n    return n\n")
    skep.write("loud.yaml", "id: x\nagents: {a: loud:f}\nflow: " + STEP)
    done = skep("run", "loud.yaml", "--input", "n=1", "--json")
    assert json.loads(done.stdout)["result"] == {"n": 1}
    assert done.stderr.splitlines() == ["imported", "called"]
    assert "called\n" in skep("run", "loud.yaml", "--input", "n=1").stdout


def test_a_module_that_raises_past_every_except_is_one_line(skep):
    skep.write("base.py", "raise BaseException('top')\n")
    skep.write("base.yaml", "id: x\nagents: {a: base:f}\nflow: " + STEP)
    done = skep("run", "base.yaml", "--input", "n=1")
    assert done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert "BaseException: top" in line
    assert skep.runs() == 0


@pytest.mark.parametrize("command", [("run", "double.yaml"), ("ps",), ("doctor",)])
def test_an_empty_address_is_not_the_default_store(skep, command):
    done = skep(*command, "--store", "")
    assert done.returncode == (1 if command == ("doctor",) else 2)
    assert "no store for ''" in done.stdout + done.stderr
    assert skep.runs() == 0


def test_a_nul_in_a_document_has_a_remedy(skep):
    (skep.folder / "bad.yaml").write_bytes(b"id: x\0y\nflow: []\n")
    (line,) = skep("run", "bad.yaml").stderr.splitlines()
    assert "control characters are not allowed (save it as plain text without them)" in line
