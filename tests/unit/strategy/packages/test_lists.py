"""The files that list packages: read strictly, written as the published tools read them."""

from __future__ import annotations

import os
import tomllib
from multiprocessing.pool import ThreadPool

import pytest

from skep.errors import LimitExceeded, PackageError
from skep.strategy.packages import files
from skep.strategy.packages.installed import Installed, read_installed, write_installed
from skep.strategy.packages.layout import ProjectFiles
from skep.strategy.packages.manifest import Wanted, add_wanted, drop_wanted, read_manifest
from skep.strategy.packages.pinned import Pinned, read_pinned, write_pinned
from skep.strategy.packages.project import forget, want
from skep.strategy.packages.sources import Source
from skep.strategy.packages.trust import KEPT, read_trust, vouch_digests

MANIFEST = """\
# what we need
[hub]
collection_url = "https://example.org"  # ours

[packages]  # pinned by hand
cot = "*"   # the first
sc = { git = "https://example.org/sc", rev = "v1" }

[packages.local]
path = "./here"
"""


def test_a_manifest_is_read_in_all_its_forms(tmp_path):
    file = tmp_path / "alc.toml"
    assert read_manifest(file) == {}
    file.write_text(MANIFEST)
    assert read_manifest(file) == {
        "cot": Wanted(version="*"),
        "sc": Wanted(git="https://example.org/sc", rev="v1"),
        "local": Wanted(path="./here"),
    }


def test_an_edit_keeps_all_else(tmp_path):
    file = tmp_path / "alc.toml"
    file.write_text(MANIFEST)
    assert add_wanted(file, "new-one", Wanted(version="*"))
    assert not add_wanted(file, "cot", Wanted(version="2.0"))
    assert add_wanted(file, "linked", Wanted(path='/a "b"'))
    assert drop_wanted(file, "sc")
    assert not drop_wanted(file, "sc")
    text = file.read_text()
    for kept in ("# what we need", "# ours", "# pinned by hand", 'cot = "*"   # the first'):
        assert kept in text
    assert read_manifest(file) == {
        "cot": Wanted(version="*"),
        "local": Wanted(path="./here"),
        "new-one": Wanted(version="*"),
        "linked": Wanted(path='/a "b"'),
    }


def test_an_edit_begins_a_file(tmp_path):
    assert add_wanted(tmp_path / "alc.toml", "cot", Wanted(version="*"))
    assert tomllib.loads((tmp_path / "alc.toml").read_text()) == {"packages": {"cot": "*"}}


@pytest.mark.parametrize(
    "text",
    [
        "packages = 1",
        '[packages]\n"../x" = "*"',
        '[packages]\n"" = "*"',
        "[packages]\ncot = 1",
        "[packages]\ncot = {path = 1}",
        "[packages]\ncot = {pat = 'x'}",
        "[packages]\ncot = {path = 'x', git = 'y'}",
        "[packages]\ncot = '*'\ncot = '*'",
        "a = " + "[" * 5_000,
    ],
)
def test_a_manifest_that_says_something_else_is_an_error(tmp_path, text):
    file = tmp_path / "alc.toml"
    file.write_text(text)
    with pytest.raises(PackageError, match=r"alc\.toml"):
        read_manifest(file)
    with pytest.raises(PackageError):
        add_wanted(file, "other", Wanted(version="*"))
    assert file.read_text() == text


def test_a_list_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_LIST", 10)
    (tmp_path / "alc.toml").write_text(" " * 11)
    with pytest.raises(LimitExceeded, match="file_bytes"):
        read_manifest(tmp_path / "alc.toml")


def test_the_lock_comes_back_as_it_was(tmp_path):
    entries = {
        "a": Pinned(name="a", source=Source(type="installed"), version="1.0", digest="sha256:1"),
        "b": Pinned(name="b", source=Source(type="git", url="https://x/y", rev="v1"), commit="c" * 40),
        "c": Pinned(name="c", source=Source(type="path", path="./c")),
        "d": Pinned(name="d", source=Source(type="bundled", collection="x")),
    }
    file = tmp_path / "alc.lock"
    write_pinned(file, dict(reversed(entries.items())))
    assert read_pinned(file) == entries
    read = tomllib.loads(file.read_text())
    assert read["version"] == 1
    assert [package["name"] for package in read["package"]] == ["a", "b", "c", "d"]
    assert read["package"][2] == {"name": "c", "source": {"type": "path", "path": "./c"}}
    assert list(tmp_path.iterdir()) == [file]


def test_an_empty_lock_can_be_read(tmp_path):
    write_pinned(tmp_path / "alc.lock", {})
    assert read_pinned(tmp_path / "alc.lock") == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("version = 2", "unsupported alc.lock version 2: expected 1"),
        ("package = 1\nversion = 1", "array"),
        ("version = 1\n[[package]]\nname = '../x'", "no name"),
        ("version = 1\n[[package]]\nname = 'x'\n[package.source]\ntype = 'evil'", "type"),
        ("version = 1\n[[package]]\nname = 'x'\nversion = 1\n[package.source]\ntype = 'path'", "texts"),
        ("version = 1\n[[package]]\nname = 'x'\n[package.source]\ntype = 'path'\npath = 1", "path"),
    ],
)
def test_a_lock_that_says_something_else_is_an_error(tmp_path, text, why):
    (tmp_path / "alc.lock").write_text(text)
    with pytest.raises(PackageError, match=why):
        read_pinned(tmp_path / "alc.lock")


def test_what_is_installed_comes_back_as_it_was(tmp_path):
    file = tmp_path / "installed.json"
    assert read_installed(file) == {}
    entries = {
        "a": Installed(
            version="1",
            source=Source(type="git", url="u"),
            installed_at="x",
            updated_at="y",
            commit="c",
            digest="d",
        ),
        "b": Installed(),
    }
    write_installed(file, entries)
    assert read_installed(file) == entries


@pytest.mark.parametrize(
    ("word", "source"),
    [
        ("", Source(type="unknown")),
        ("bundled", Source(type="bundled")),
        ("https://x/y", Source(type="git", url="https://x/y")),
        ("/a/b", Source(type="path", path="/a/b")),
    ],
)
def test_sources_of_earlier_files_are_understood(tmp_path, word, source):
    file = tmp_path / "installed.json"
    file.write_text(f'{{"packages": {{"a": {{"version": null, "source": "{word}", "installed_at": ""}}}}}}')
    assert read_installed(file)["a"].source == source


@pytest.mark.parametrize(
    "text", ["", "[", "[]", '{"packages": []}', '{"packages": {"../a": {}}}', "[" * 100_000]
)
def test_what_is_no_list_of_the_installed_is_an_error(tmp_path, text):
    (tmp_path / "installed.json").write_text(text)
    with pytest.raises(PackageError, match=r"installed\.json"):
        read_installed(tmp_path / "installed.json")


@pytest.mark.parametrize("text", ["", "{", '{"version": 2}', '{"digests": 1}'])
def test_trust_that_cannot_be_read_is_none(tmp_path, text):
    (tmp_path / "trusted.json").write_text(text)
    with pytest.raises(PackageError, match=r"trusted\.json"):
        read_trust(tmp_path / "trusted.json")
    with pytest.raises(PackageError):
        vouch_digests(tmp_path / "trusted.json", {"p": "sha256:0"})


def test_the_last_few_digests_of_a_name_are_kept(tmp_path):
    file = tmp_path / "trusted.json"
    vouch_digests(file, {"other": "sha256:other"})
    for number in [*range(KEPT + 3), 5]:
        vouch_digests(file, {"p": f"sha256:{number}"})
    kept = [key for key, of in read_trust(file).digests.items() if of.name == "p"]
    assert kept == [f"sha256:{number}" for number in [*range(3, 5), *range(6, KEPT + 3), 5]]
    assert "sha256:other" in read_trust(file).digests


def test_two_who_change_a_project_at_once_both_succeed(tmp_path):
    project = ProjectFiles(tmp_path)
    with ThreadPool(4) as pool:
        pool.map(lambda n: want(project, [Pinned(name=f"p{n}", source=Source(type="installed"))]), range(12))
        names = {f"p{n}" for n in range(12)}
        assert set(read_manifest(project.manifest)) == set(read_pinned(project.pinned)) == names
        assert set(pool.map(lambda n: forget(project, f"p{n}"), range(12))) == {(True, True)}
    assert read_pinned(project.pinned) == {}
    assert forget(project, "p1") == (False, False)


def test_a_pipe_in_the_place_of_a_list_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "alc.toml")
    with pytest.raises(PackageError, match="not a regular file"):
        read_manifest(tmp_path / "alc.toml")
