"""Repositories, by the `file` protocol that the owner allowed."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from pathlib import Path

import pytest

from skep.errors import LimitExceeded, SourceRefused
from skep.strategy.packages import git, tree
from skep.strategy.packages.addresses import Repository
from skep.strategy.packages.offers import offer_of_repository
from skep.strategy.packages.settings import PackageSettings

ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


class Repo:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"file://{folder}"
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=ENV, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        for path, text in files.items():
            file = self.folder / f"{path.replace('__', '/')}.lua"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path):
    return Repo(tmp_path / "work")


def fetch(repo, rev=None, timeout=30, protocol="file"):
    return git.fetch(Repository(repo.url), rev, protocol=protocol, timeout=timeout)


def test_the_newest_commit_of_the_main_branch_or_the_one_asked_for(repo):
    first = repo.commit(init="return 1")
    repo.git("tag", "v1")
    second = repo.commit(init="return 2", sub__part="return 3")
    got = fetch(repo)
    assert (got.commit, got.tree) == (second, {"init.lua": b"return 2", "sub/part.lua": b"return 3"})
    for rev in ("v1", first):
        assert fetch(repo, rev).tree == {"init.lua": b"return 1"}
    assert fetch(repo, "main").commit == second
    with pytest.raises(SourceRefused, match="git fetch failed"):
        fetch(repo, "v2")


def test_hooks_filters_submodules_and_settings_do_nothing(repo, tmp_path, monkeypatch):
    touched = tmp_path / "touched"
    evil = tmp_path / "gitconfig"
    evil.write_text(
        f'[core]\nhooksPath = {tmp_path}\n[filter "x"]\nsmudge = touch {touched}\n'
        f'[url "file:///nowhere/"]\ninsteadOf = file:///\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(evil))
    monkeypatch.setenv("GIT_SSH_COMMAND", f"touch {touched}")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    (tmp_path / "post-checkout").write_text(f"#!/bin/sh\ntouch {touched}\n")
    (tmp_path / "post-checkout").chmod(0o755)
    other = Repo(tmp_path / "other")
    other.commit(init="return 1")
    (repo.folder / ".gitattributes").write_text("*.lua filter=x\n")
    repo.git("-c", "protocol.file.allow=always", "submodule", "add", "--quiet", other.url, "sub")
    repo.commit(init="return 1")
    assert set(fetch(repo).tree) == {"init.lua", ".gitattributes", ".gitmodules"}
    assert not touched.exists()


def test_links_are_told_apart_and_followed_within_their_package_only(repo):
    repo.commit(p__init="return 1", q__init="return 2")
    (repo.folder / "p" / "same.lua").symlink_to("init.lua")
    repo.commit()
    allowed = PackageSettings(git_protocols=("file",))
    offer = offer_of_repository(repo.url, settings=allowed)
    assert offer.packages["p"] == {"init.lua": b"return 1", "same.lua": b"return 1"}
    for target in ("../q/init.lua", "/etc/hostname", "../../../etc/passwd", "none.lua"):
        (repo.folder / "p" / "same.lua").unlink()
        (repo.folder / "p" / "same.lua").symlink_to(target)
        repo.commit()
        with pytest.raises(SourceRefused, match="the link p/same"):
            offer_of_repository(repo.url, settings=allowed)


@pytest.mark.parametrize(("name", "limit"), [("MAX_FILES", 1), ("MAX_BYTES", 10)])
def test_a_repository_has_limits(repo, monkeypatch, name, limit):
    repo.commit(a="return 1", b="return 2")
    monkeypatch.setattr(tree, name, limit)
    with pytest.raises(LimitExceeded, match=name.replace("MAX", "package").lower()):
        fetch(repo)


def test_a_file_that_shrank_to_nothing_on_the_way_is_not_unpacked(repo):
    repo.commit(init="x" * (tree.MAX_BYTES + 1))
    with pytest.raises(LimitExceeded, match="package_bytes"):
        fetch(repo)


def test_a_pack_larger_than_the_limit_is_cut_off(repo, monkeypatch):
    (repo.folder / "noise").write_bytes(os.urandom(2 << 20))
    repo.commit()
    monkeypatch.setattr(git, "MAX_BYTES", 256 << 10)
    with pytest.raises(LimitExceeded, match="package_bytes"):
        fetch(repo)


def test_folders_that_double_at_every_level_are_not_unfolded(repo):
    repo.commit(init="")
    inner = repo.git("rev-parse", "HEAD^{tree}")
    for _ in range(24):
        listing = "".join(f"040000 tree {inner}\t{name}\n" for name in "ab")
        inner = subprocess.run(
            ["git", "mktree"], input=listing, cwd=repo.folder, capture_output=True, text=True, check=True
        ).stdout.strip()
    commit = repo.git("commit-tree", inner, "-m", "x")
    repo.git("update-ref", "refs/heads/main", commit)
    with pytest.raises(LimitExceeded):
        fetch(repo)


def test_git_ends_in_time_with_all_that_it_started(tmp_path, monkeypatch):
    pid = tmp_path / "pid"
    fake = tmp_path / "git"
    fake.write_text(f"#!/bin/sh\nsleep 1000 & echo $! > {pid}; wait\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    began = time.monotonic()
    with pytest.raises(LimitExceeded, match="git_timeout"):
        git.fetch(Repository("https://x/y"), None, protocol="https", timeout=1)
    assert time.monotonic() - began < 10
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(int(pid.read_text()))
        assert select.select([descriptor], [], [], 10)[0]
        os.close(descriptor)


def test_what_git_is_given(tmp_path, monkeypatch):
    fake = tmp_path / "git"
    fake.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$@" >> "$OUT.words"; env >> "$OUT.env"; exit 1\n'.replace(
            "$OUT", str(tmp_path / "out")
        )
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HTTPS_PROXY", "http://secret@proxy")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    with pytest.raises(SourceRefused, match="it said nothing"):
        git.fetch(Repository("https://x/y", "x", 443, ("1.2.3.4", "::2")), None, protocol="https", timeout=20)
    words = (tmp_path / "out.words").read_text().splitlines()
    assert {
        "protocol.allow=never",
        "protocol.https.allow=always",
        "http.followRedirects=false",
        "http.curloptResolve=x:443:1.2.3.4,[::2]",
        "credential.helper=",
    } <= set(words)
    env = dict(line.split("=", 1) for line in (tmp_path / "out.env").read_text().splitlines())
    assert env["GIT_TERMINAL_PROMPT"] == "0"
    assert env["HOME"] != os.environ.get("HOME")
    assert not {"HTTPS_PROXY", "GIT_CONFIG_COUNT", "SSH_AUTH_SOCK"} & set(env)


def test_without_git_there_are_still_folders(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SourceRefused, match="install a folder instead"):
        git.fetch(Repository("https://x/y"), None, protocol="https", timeout=1)
