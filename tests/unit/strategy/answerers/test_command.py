from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from msgspec import structs

from skep.errors import ConfigError, SpawnError
from skep.flow.process_limits import ProcessLimits
from skep.limits import DEFAULT_LIMITS
from skep.strategy.answerers import Command
from skep.strategy.queries import Answer, Error, Query, Usage
from skep.testing.aio import in_loop, run

PATIENT = structs.replace(DEFAULT_LIMITS, kill_grace=0.05)


def query(**fields):
    return Query(**{"id": "q1-0", "prompt": "Why?", **fields})


def shell(line, **options):
    return Command(["sh", "-c", line], **options)


def test_the_prompt_is_its_stdin_and_the_answer_its_stdout():
    prompt = "one; $HOME\n'two'" + "x" * 1_000_000
    assert run(Command(["cat"])(query(prompt=prompt))) == Answer(prompt)


def test_what_else_belongs_to_the_query_is_in_its_environment():
    given = query(system="Be\nbrief.", max_tokens=9)
    line = 'printf "%s|%s|%s" "$SKEP_QUERY_ID" "$SKEP_MAX_TOKENS" "$SKEP_SYSTEM"'
    assert run(shell(line)(given)) == Answer("q1-0|9|Be\nbrief.")
    assert run(shell('echo "${SKEP_SYSTEM-none}"')(query())) == Answer("none")


def test_nothing_else_of_the_host_is(monkeypatch):
    monkeypatch.setenv("SKEP_SECRET_KEY", "hidden")
    monkeypatch.setenv("OWN", "shown")
    given = run(shell("env", env={"OWN": None, "SET": "here"})(query())).text
    assert "OWN=shown" in given
    assert "SET=here" in given
    assert "hidden" not in given


@pytest.mark.parametrize(
    ("printed", "reply"),
    [
        (
            {"text": "Because.", "usage": {"completion_tokens": 2}},
            Answer("Because.", Usage(completion_tokens=2)),
        ),
        ("Because.", Answer("Because.")),
        ({"error": "no idea"}, Error("no idea")),
    ],
)
def test_in_the_json_form_it_gets_and_gives_more(printed, reply, tmp_path):
    line = f"cat > {tmp_path}/given; printf '%s' '{json.dumps(printed)}'"
    given = query(system="Be brief.", options={"temperature": 0})
    assert run(shell(line, json=True)(given)) == reply
    assert json.loads((tmp_path / "given").read_text()) == {
        "query_id": "q1-0",
        "prompt": "Why?",
        "system": "Be brief.",
        "options": {"temperature": 0},
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "echo thinking; echo 'no such model' >&2; exit 3",
            "sh ended with exit code 3; stderr ends: no such model",
        ),
        ("kill -9 $$", "sh was killed by SIGKILL"),
        ("printf '\\377'", "the answer of sh is not UTF-8"),
    ],
)
def test_what_fails_is_an_error(line, said):
    assert run(shell(line)(query())) == Error(said)


@pytest.mark.parametrize("printed", ["not json", "[1]", '{"score": 3}', '{"text": 5}', "[" * 1_000])
def test_json_that_is_no_answer_is_an_error(printed):
    reply = run(shell(f"printf '%s' '{printed}'", json=True)(query()))
    assert isinstance(reply, Error)


def test_an_answer_without_end_is_cut_off():
    limits = ProcessLimits(output_bytes=100_000)
    reply = run(Command(["cat", "/dev/zero"], limits=limits)(query()))
    assert reply.message.startswith("cat was killed: limit process_output_bytes of 100,000 exceeded")


def test_by_default_fifty_megabytes_are_too_much():
    reply = run(shell("head -c 50000000 /dev/zero")(query()))
    assert "16,777,216" in reply.message


def test_who_takes_too_long_is_ended():
    reply = run(shell("echo waiting >&2; sleep 60", timeout=0.2, host_limits=PATIENT)(query()))
    assert reply == Error("sh did not answer within 0.2 s; stderr ends: waiting")


def test_a_query_that_an_environment_cannot_carry_is_an_error():
    for system in ("a\0b", "x" * 200_000):
        reply = run(Command(["cat"])(query(system=system)))
        assert reply.message.startswith("the query's SKEP_SYSTEM ")
        assert "JSON form" in reply.message
        long = run(shell("cat > /dev/null; echo '\"fine\"'", json=True)(query(system=system)))
        assert long == Answer("fine")


def test_a_program_that_is_not_there_ends_the_session():
    with pytest.raises(SpawnError, match="was not found"):
        run(Command(["no-such-program-here"])(query()))
    with pytest.raises(SpawnError, match="NOT_SET_HERE"):
        run(Command(["cat"], env={"NOT_SET_HERE": None})(query()))


@pytest.mark.parametrize(
    ("argv", "options"),
    [
        ([], {}),
        ("cat", {}),
        ([""], {}),
        (["a\0b"], {}),
        (["cat"], {"timeout": 0}),
        (["cat"], {"concurrency": 0}),
        (["cat"], {"env": {"SKEP_SYSTEM": "mine"}}),
    ],
)
def test_what_is_no_command_is_refused(argv, options):
    with pytest.raises(ConfigError):
        Command(argv, **options)


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@in_loop
async def test_who_gives_up_ends_the_whole_tree(tmp_path):
    noted = tmp_path / "pids"
    command = shell(f"setsid sleep 60 & echo $! $$ > {noted}.new; mv {noted}.new {noted}; wait")
    asking = asyncio.create_task(command(query()))
    await until(noted.exists)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    pids = [int(pid) for pid in noted.read_text().split()]
    await until(lambda: not any(lives(pid) for pid in pids))


@in_loop
async def test_no_more_programs_run_than_may(tmp_path):
    line = f"touch {tmp_path}/$SKEP_QUERY_ID; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo done"
    command = shell(line, concurrency=2)
    asking = [asyncio.create_task(command(query(id=f"q1-{n}"))) for n in range(4)]
    await until(lambda: len(list(tmp_path.iterdir())) == 2)
    for _ in range(100):
        await asyncio.sleep(0)
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / "go").touch()
    assert await asyncio.gather(*asking) == [Answer("done")] * 4
