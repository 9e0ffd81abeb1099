from __future__ import annotations

import json

KEYS = ["run_id", "status", "result", "error", "stats"]


def test_a_run_is_exactly_one_object(skep):
    done = skep("run", "double.yaml", "--input", "n=4", "--json")
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert list(found) == KEYS
    assert (found["status"], found["result"], found["error"]) == ("done", {"n": 8}, None)
    assert skep.json("show", found["run_id"]) == found


def test_a_failed_run_says_where_and_why(skep):
    found = skep.json("run", "fail.yaml", "--input", "n=4")
    assert (found["status"], found["result"]) == ("failed", None)
    assert "no luck" in found["error"]["message"]
    assert found["error"]["step"] == "0"
    assert skep.json("show", found["run_id"]) == found


def test_an_error_before_there_is_a_run_is_an_object_too(skep):
    found = skep.json("run", "none.yaml")
    assert list(found) == KEYS
    assert found["run_id"] is None
    assert found["error"]["code"] == "E-BLUEPRINT"


def test_ps_lists_the_newest_first(skep):
    runs = [skep.json("run", "double.yaml", "--input", f"n={n}")["run_id"] for n in range(3)]
    listed = skep.json("ps")["runs"]
    assert [run["run_id"] for run in listed] == runs[::-1]
    assert {run["status"] for run in listed} == {"done"}


def test_ps_of_an_empty_store(skep):
    assert skep.json("ps") == {"runs": []}
    assert "no runs yet" in skep("ps").stdout


def test_events_are_one_object_a_line_in_order(skep):
    run = skep.json("run", "double.yaml", "--input", "n=4")["run_id"]
    done = skep("events", run, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["version"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["kind"] for event in events]
    assert (kinds[0], kinds[-1]) == ("run_started", "run_finished")
    assert {"task_created", "task_attempt_started", "task_pass"} <= set(kinds)
    assert len(skep("events", run).stdout.splitlines()) == len(events)


def test_input_comes_from_pairs_files_and_stdin(skep):
    skep.write("in.json", '{"n": 5, "more": [1]}')
    assert skep.json("run", "double.yaml", "--input-json", "in.json")["result"] == {"n": 10, "more": [1]}
    assert skep.json("run", "double.yaml", "--input-json", "-", stdin='{"n": 6}')["result"] == {"n": 12}
    assert skep.json("run", "double.yaml", "--input-json", "in.json", "--input", "n=7")["result"]["n"] == 14


def test_a_store_may_be_named(skep):
    run = skep.json("run", "double.yaml", "--input", "n=1", "--store", "sqlite:///own.db")["run_id"]
    assert [found["run_id"] for found in skep.json("ps", "--store", "sqlite:///own.db")["runs"]] == [run]
    assert skep.json("ps") == {"runs": []}
    assert skep.json("run", "double.yaml", "--input", "n=1", "--store", "memory:")["status"] == "done"


def test_a_run_may_be_named_by_a_beginning(skep):
    run = skep.json("run", "double.yaml", "--input", "n=1")["run_id"]
    assert skep.json("show", run[:-3])["run_id"] == run
    skep.json("run", "double.yaml", "--input", "n=1")
    ambiguous = skep("show", "run-")
    assert ambiguous.returncode == 2
    assert "several runs" in ambiguous.stderr


def test_the_schema_is_json(skep):
    schema = json.loads(skep("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")


def test_doctor_finds_nothing_wrong_here(skep):
    found = skep.json("doctor")
    assert found["ok"] is True, found
    names = [check["name"] for check in found["checks"]]
    assert {"python", "sqlite", "home", "store", "disk", "switch interval"} <= set(names)
    assert {"lua limits", "lua privileges", "lua landlock", "lua seccomp"} <= set(names)
    assert not skep.home.exists(), "doctor changes nothing"


def test_doctor_names_what_is_wrong_and_the_fix(skep):
    skep.home.mkdir(mode=0o700)
    skep.home.chmod(0o777)
    done = skep("doctor")
    assert done.returncode == 1
    assert f"chmod 700 {skep.home}" in done.stdout


def test_a_home_that_others_may_write_is_refused(skep):
    skep.home.mkdir(mode=0o700)
    skep.home.chmod(0o777)
    done = skep("run", "double.yaml", "--input", "n=1")
    assert done.returncode == 2
    assert f"(chmod 700 {skep.home})" in done.stderr


def test_the_home_is_made_for_its_owner_alone(skep):
    skep("ps")
    assert skep.home.stat().st_mode & 0o777 == 0o700


def test_help_and_version(skep):
    assert "Exit codes" in skep("--help").stdout
    assert skep("--version").stdout.startswith("skep ")
    assert skep().stdout == skep("--help").stdout
    assert "--input K=V" in " ".join(skep("run", "--help").stdout.split())


def test_a_usage_error_is_an_object_too(skep):
    found = skep.json("run", "double.yaml", "--nonsense")
    assert list(found) == KEYS
    assert found["error"]["code"] == "E-USAGE"


def test_a_run_that_has_ended_is_shown_as_it_ended_when_it_is_resumed(skep):
    ended = skep.json("run", "double.yaml", "--input", "n=4")
    done = skep("resume", ended["run_id"], "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout) == ended


def test_help_on_events_says_an_object_a_line(skep):
    assert "One JSON object a line" in " ".join(skep("events", "--help").stdout.split())
