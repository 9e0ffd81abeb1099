from __future__ import annotations

import json
import re

import pytest

SECRET = re.compile(r"eyJ[\w-]{100,}")


def mint(skep, *words):
    return skep.json("token", "mint", *words)["tokens"]


def test_a_profile_has_a_token_for_each_role(skep):
    made = mint(skep, "--profile", "runner", "--principal", "ada", "--ttl", "60")
    assert [(token["role"], token["principal"]) for token in made] == [
        ("operator", "ada"),
        ("observer", "ada"),
    ]
    listed = skep.json("token", "list")["tokens"]
    assert [token["id"] for token in listed] == [token["id"] for token in made]
    assert {token["state"] for token in listed} == {"live"}
    assert listed[0]["expire_at"] - listed[0]["issued_at"] == 60_000


def test_only_mint_and_attenuate_print_secrets_and_only_on_stdout(skep):
    assert len(SECRET.findall(skep("token", "mint", "--profile", "owner").stdout)) == 3
    raw = skep("token", "mint", "--role", "senior", "--raw")
    assert SECRET.fullmatch(raw.stdout.strip())
    assert raw.stderr == ""
    for words in (["list"], ["list", "--json"], ["rotate"], ["revoke", "12345678"]):
        done = skep("token", *words)
        assert not SECRET.search(done.stdout + done.stderr)


def test_a_token_is_narrowed_from_the_environment_or_stdin(skep):
    held = skep("token", "mint", "--role", "operator", "--uses", "5", "--raw").stdout
    (narrow,) = skep.json("token", "attenuate", "--scope", "run:a", "--uses", "2", stdin=held)["tokens"]
    assert (narrow["scopes"], narrow["max_uses"]) == (["run:a"], 2)
    again = skep("token", "attenuate", "--scope", "verb:poll_task", "--raw", SKEP_TOKEN=narrow["token"])
    assert again.returncode == 0, again.stderr
    parents = [token["parent"] for token in skep.json("token", "list")["tokens"]]
    ids = [token["id"] for token in skep.json("token", "list")["tokens"]]
    assert parents == [None, *ids[:2]]
    wider = skep("token", "attenuate", "--scope", "run:b", stdin=narrow["token"])
    assert (wider.returncode, wider.stdout) == (2, "")
    assert "E-SCOPE-WIDENED" in wider.stderr


def test_revoking_ends_what_was_narrowed(skep):
    (held,) = mint(skep, "--role", "operator")
    (narrow,) = skep.json("token", "attenuate", stdin=held["token"])["tokens"]
    assert skep.json("token", "revoke", held["id"]) == {"revoked": held["id"]}
    refused = skep("token", "attenuate", stdin=narrow["token"])
    assert refused.returncode == 2
    assert "E-TOKEN-REVOKED" in refused.stderr
    assert [token["state"] for token in skep.json("token", "list")["tokens"]] == ["ended"]


def test_rotation(skep):
    (held,) = mint(skep, "--role", "operator")
    assert skep.json("token", "rotate") == {"kept": 1}
    assert skep("token", "attenuate", stdin=held["token"]).returncode == 0
    assert skep.json("token", "rotate", "--now") == {"kept": 0}
    refused = skep("token", "attenuate", stdin=held["token"])
    assert "E-BAD-SIGNATURE" in refused.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["mint"], "--profile or --role"),
        (["mint", "--role", "operator", "--profile", "owner"], "--profile or --role"),
        (["mint", "--role", "root"], "E-ROLE"),
        (["mint", "--profile", "root"], "E-SCOPE-SYNTAX"),
        (["mint", "--role", "operator", "--scope", "fly:a"], "E-SCOPE-SYNTAX"),
        (["mint", "--role", "operator", "--ttl", "0"], "E-LIMIT"),
        (["mint", "--role", "operator", "--uses", "0"], "E-LIMIT"),
        (["revoke", "nothing!"], "E-TOKEN-NOT-FOUND"),
        (["attenuate"], "E-BAD-SIGNATURE"),
        (["attenuate", "--scope", "run:a"], "E-BAD-SIGNATURE"),
    ],
)
def test_what_cannot_be_done_says_why(skep, words, code):
    done = skep("token", *words, stdin="x" * 100_000)
    assert (done.returncode, done.stdout) == (2, "")
    assert code in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_error_is_an_object_for_machines(skep):
    done = skep("token", "revoke", "nothing!", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "E-TOKEN-NOT-FOUND"


def test_a_home_that_others_may_write_to_is_refused(skep):
    skep.home.mkdir()
    skep.home.chmod(0o777)
    done = skep("token", "mint", "--role", "operator")
    assert done.returncode == 2
    assert f"chmod 700 {skep.home}" in done.stderr


def test_hostile_names_do_not_drive_the_terminal(skep):
    mint(skep, "--role", "operator", "--principal", "\x1b[31mred", "--scope", "run:\x1b[2J")
    assert "\x1b" not in skep("token", "list").stdout
