from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import ConfigError
from skep.journal.sqlite import SqliteUrl, parse_sqlite_url

paths = st.text(st.characters(exclude_characters="?\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda path: path != ":memory:" and path.rpartition("/")[2] not in ("", ".", "..")
)


@given(paths, st.sampled_from(["full", "normal", "memory"]))
def test_what_is_written_is_read(path, synchronous):
    url = SqliteUrl(path, synchronous)
    assert parse_sqlite_url(str(url)) == url


def test_relative_and_absolute_paths():
    assert parse_sqlite_url("sqlite:///store.db") == SqliteUrl("store.db", "full")
    assert parse_sqlite_url("sqlite:////var/store.db") == SqliteUrl("/var/store.db", "full")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory:",
        "sqlite:",
        "sqlite://",
        "sqlite://host/file.db",
        "sqlite:///",
        "sqlite:///?synchronous=full",
        "sqlite:///.",
        "sqlite:////tmp/..",
        "sqlite:////var/",
        "sqlite:///:memory:",
        "sqlite:///a\0b",
        "sqlite:///a?synchronous=off",
        "sqlite:///a?sync=full",
        "sqlite:///a?synchronous=full&synchronous=normal",
        "postgresql://x",
    ],
)
def test_anything_else_is_refused_with_the_remedy(url):
    with pytest.raises(ConfigError) as caught:
        parse_sqlite_url(url)
    assert caught.value.fix
