from __future__ import annotations

import builtins
import sys

import pytest

from skep.errors import ConfigError
from skep.secrets import Secret
from skep.strategy.answerers import Command, Model, Scripted, Terminal, answerer_from, terminal
from skep.strategy.queries import Answer, Query
from skep.testing.aio import run

QUERY = Query(id="q1-0", prompt="Why?")


def test_ask_is_the_person_at_the_terminal(monkeypatch):
    monkeypatch.setattr(terminal, "is_interactive", lambda: True)
    assert isinstance(answerer_from("ask"), Terminal)


def test_a_file_is_a_script(tmp_path):
    (tmp_path / "answers.yaml").write_text("[one]")
    script = answerer_from(str(tmp_path / "answers.yaml"))
    assert isinstance(script, Scripted)
    assert run(script(QUERY)) == Answer("one")


def test_an_address_is_a_model():
    model = answerer_from("https://models.example/v1#org/small:7b", key=Secret("k"))
    assert isinstance(model, Model)
    assert repr(model) == "Model('https://models.example/v1', 'org/small:7b')"


def test_anything_else_is_a_command_without_a_shell():
    command = answerer_from("printf '%s; %s' 'one two' $HOME")
    assert isinstance(command, Command)
    assert run(command(QUERY)) == Answer("one two; $HOME")


@pytest.mark.parametrize(
    "text",
    ["", "  ", "printf 'open", "missing.yaml", "https://models.example/v1", "https://models.example/v1#"],
)
def test_what_cannot_answer_is_refused(text):
    with pytest.raises(ConfigError):
        answerer_from(text)


def test_only_a_model_takes_a_key():
    with pytest.raises(ConfigError, match="only a model takes a key"):
        answerer_from("cat", key="secret:any")


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "ftp://host/v1",
        "host/v1",
        "http://host:99999/v1",
        "http://host:0/v1",
        "http://[::1/v1",
        "http://host/v1?key=1",
        "http://host/v1#x",
        "http://ho st/v1",
        "http://host/\n",
    ],
)
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ConfigError):
        Model(url, "small")


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(ConfigError, match="secret:NAME") as caught:
        Model("https://me:hunter2@models.example/v1", "small")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"timeout": 0}, {"retries": -1}, {"concurrency": 0}, {"max_bytes": 0}, {"key": Secret("k\u00e9y")}],
)
def test_options_that_cannot_be_used_are_refused(options):
    with pytest.raises(ConfigError):
        Model("http://localhost/v1", "small", **options)
    with pytest.raises(ConfigError):
        Model("http://localhost/v1", "")


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://models.example/v1", True),
        ("http://10.0.0.1/v1", True),
        ("https://models.example/v1", False),
        ("http://localhost:1/v1", False),
        ("http://127.0.0.1:1/v1", False),
        ("http://[::1]:1/v1", False),
    ],
)
def test_a_key_that_is_sent_in_the_clear_is_warned_of(url, warned, caplog):
    Model(url, "small", key=Secret("hunter2"))
    assert ("sent in the clear" in caplog.text) is warned
    assert "hunter2" not in caplog.text


def test_a_missing_extra_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == "openai":
            raise ImportError("no", name="openai")
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "skep.strategy.answerers.endpoint", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"skep\[models\]"):
        Model("http://localhost/v1", "small")
