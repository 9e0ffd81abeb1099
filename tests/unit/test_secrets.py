from __future__ import annotations

import copy
import os
import pickle

import msgspec
import pytest

from skep.errors import ConfigError
from skep.secrets import MAX_BYTES, Secret, find_secret

TEXT = "s3cr3t-text"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("SKEP_SECRET_MY_KEY", raising=False)
    (tmp_path / "secrets").mkdir()
    return tmp_path


def write(home, data, mode=0o600, name="my-key"):
    path = home / "secrets" / name
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_it_is_shown_nowhere():
    secret = Secret(TEXT)
    for shown in (f"{secret}", f"{secret!r}", str([secret]), str({"key": secret}), f"{secret!s}"):
        assert TEXT not in shown
        assert "***" in shown


def test_it_is_neither_encoded_nor_pickled_nor_copied():
    secret = Secret(TEXT)
    for store in (msgspec.json.encode, pickle.dumps, copy.copy):
        with pytest.raises(TypeError) as caught:
            store(secret)
        assert TEXT not in str(caught.value)
    assert not hasattr(secret, "__dict__")


def test_it_comes_from_the_environment_before_the_file(home, monkeypatch):
    write(home, b"from the file\n")
    assert find_secret("secret:my-key", home).reveal() == "from the file"
    monkeypatch.setenv("SKEP_SECRET_MY_KEY", TEXT)
    assert find_secret("secret:my-key", home).reveal() == TEXT


def test_the_home_is_the_one_that_is_set(home, monkeypatch):
    monkeypatch.setenv("SKEP_HOME", str(home))
    write(home, TEXT.encode())
    assert find_secret("secret:my-key").reveal() == TEXT


@pytest.mark.parametrize(
    "reference", [TEXT, "secret:", "secret:../keys", "secret:a b", "secret:1x", "secret:é"]
)
def test_what_is_no_name_is_refused_and_not_repeated(home, reference):
    with pytest.raises(ConfigError) as caught:
        find_secret(reference, home)
    assert reference.removeprefix("secret:") not in str(caught.value).split()


@pytest.mark.parametrize(
    ("data", "mode", "said"),
    [
        (TEXT.encode(), 0o640, "others may read"),
        (TEXT.encode(), 0o604, "others may read"),
        (b"", 0o600, "one line"),
        (b"two\nlines", 0o600, "one line"),
        (b"caf\xe9" + TEXT.encode(), 0o600, "UTF-8"),
        (b"x" * (MAX_BYTES + 1), 0o600, "at most"),
    ],
)
def test_a_file_that_will_not_do_is_refused_without_its_text(home, data, mode, said):
    write(home, data, mode)
    with pytest.raises(ConfigError, match=said) as caught:
        find_secret("secret:my-key", home)
    assert TEXT not in str(caught.value)


def test_a_missing_secret_tells_both_places(home):
    with pytest.raises(ConfigError, match="SKEP_SECRET_MY_KEY") as caught:
        find_secret("secret:my-key", home)
    assert str(home / "secrets" / "my-key") in str(caught.value)


def test_a_link_a_pipe_and_a_folder_are_no_secrets(home):
    target = write(home, TEXT.encode(), name="other")
    (home / "secrets" / "linked").symlink_to(target)
    os.mkfifo(home / "secrets" / "pipe", 0o600)
    (home / "secrets" / "folder").mkdir(mode=0o700)
    for name in ("linked", "pipe", "folder"):
        with pytest.raises(ConfigError):
            find_secret(f"secret:{name}", home)


def test_it_is_hidden_in_what_others_write():
    assert Secret(TEXT).hidden_in(f"bad key {TEXT}!") == "bad key ***!"
    assert Secret("").hidden_in("nothing") == "nothing"
