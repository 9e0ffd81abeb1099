from __future__ import annotations

import json
import multiprocessing
import os
import stat

import pytest

from skep.engine.tokens.keys import DAY_MS, MAX_FILE, fresh_ring, home_ring
from skep.errors import BadSignature, ConfigError


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def test_the_ring_outlives_the_process(home):
    ring = home_ring(home)
    again = home_ring(home)
    assert again.keys == ring.keys
    assert again.current == ring.current
    assert stat.S_IMODE((home / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert {path.name for path in home.iterdir()} == {"keys.json", "keys.lock"}


def test_a_key_is_kept_until_its_last_token_has_ended(home):
    ring = home_ring(home)
    old = ring.signing_key(DAY_MS // 2)
    assert ring.rotate(DAY_MS - 1) == (old,)
    assert ring.current != old
    second = ring.signing_key(2 * DAY_MS)
    assert set(ring.rotate(DAY_MS + 1)) == {second}
    with pytest.raises(BadSignature):
        ring.key(old)
    ring.key(second)


def test_a_key_that_signed_nothing_goes_at_once(home):
    ring = home_ring(home)
    unused = ring.current
    assert ring.rotate(0) == ()
    assert unused not in ring.keys


def test_dropping_ends_all(home):
    ring = home_ring(home)
    old = ring.signing_key(DAY_MS)
    assert ring.rotate(0, drop=True) == ()
    assert set(ring.keys) == {ring.current}
    assert ring.current != old


def test_every_process_follows(home):
    here, there = home_ring(home), home_ring(home)
    old = here.signing_key(DAY_MS)
    changes = there.changes
    new = here.rotate(0)
    assert new == (old,)
    there.key(here.current)
    assert there.changes > changes
    here.rotate(0, drop=True)
    there.refresh()
    assert there.keys == here.keys


def test_a_ring_that_is_behind_keeps_what_others_wrote(home):
    here, there = home_ring(home), home_ring(home)
    old = here.signing_key(9 * DAY_MS)
    here.rotate(0)
    assert there.signing_key(3 * DAY_MS) == here.current
    assert set(there.keys) == {old, here.current}
    assert set(home_ring(home).rotate(8 * DAY_MS)) == {old}


def test_the_file_is_written_once_a_day_and_not_for_each_token(home):
    ring = home_ring(home)
    ring.signing_key(1_000)
    before = (home / "keys.json").stat().st_ino
    for end in range(2_000, 100_000, 1_000):
        ring.signing_key(end)
    assert (home / "keys.json").stat().st_ino == before
    ring.signing_key(DAY_MS + 1)
    assert (home / "keys.json").stat().st_ino != before


def test_without_a_home_a_ring_rotates_in_memory():
    ring = fresh_ring()
    old = ring.signing_key(DAY_MS)
    assert ring.rotate(0) == (old,)
    assert old in ring.keys
    assert ring.rotate(2 * DAY_MS) == ()


def test_a_ring_that_others_may_read_is_refused(home):
    ring = home_ring(home)
    path = home / "keys.json"
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=f"chmod 600 {path}"):
        home_ring(home)
    path.write_text(path.read_text())
    with pytest.raises(ConfigError, match="chmod 600"):
        ring.refresh()


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_home_that_others_may_write_to_is_refused(home, mode):
    home.mkdir()
    home.chmod(mode)
    with pytest.raises(ConfigError, match=f"chmod 700 {home}"):
        home_ring(home)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"current":"a","keys":{}}', '{"current":"a","keys":{"a":"AA=="}}']
)
def test_a_ring_that_cannot_be_used_is_refused(home, text):
    home_ring(home)
    (home / "keys.json").write_text(text)
    with pytest.raises(ConfigError, match="key ring"):
        home_ring(home)


def test_a_ring_that_is_no_file_is_refused(home):
    home_ring(home)
    (home / "keys.json").unlink()
    os.mkfifo(home / "keys.json", 0o600)
    with pytest.raises(ConfigError, match="no regular file"):
        home_ring(home)


def test_a_ring_that_is_too_large_is_refused_unread(home):
    home_ring(home)
    os.truncate(home / "keys.json", MAX_FILE + 1)
    with pytest.raises(ConfigError, match="too large"):
        home_ring(home)


def test_a_ring_that_is_gone_verifies_nothing(home):
    ring = home_ring(home)
    (home / "keys.json").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        ring.refresh()


def test_a_write_that_fails_leaves_the_old_ring(home, monkeypatch):
    ring = home_ring(home)
    before = (home / "keys.json").read_bytes()

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        ring.rotate(0)
    assert (home / "keys.json").read_bytes() == before
    assert {path.name for path in home.iterdir()} == {"keys.json", "keys.lock"}
    assert json.loads(before)["current"] == ring.current


def rotate_in(home, times, signed):
    ring = home_ring(home)
    for _ in range(times):
        signed.put(ring.signing_key(10**15))
        ring.rotate(0)


def test_processes_that_rotate_at_once_lose_no_key_that_signed(home):
    home_ring(home)
    context = multiprocessing.get_context("fork")
    signed = context.SimpleQueue()
    children = [context.Process(target=rotate_in, args=(home, 5, signed)) for _ in range(3)]
    for child in children:
        child.start()
    used = {signed.get() for _ in range(15)}
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    assert used <= home_ring(home).keys.keys()


def test_a_ring_does_not_print_its_keys(home):
    ring = home_ring(home)
    for key in ring.keys.values():
        assert key.hex() not in repr(ring)
        assert repr(key) not in repr(ring)
