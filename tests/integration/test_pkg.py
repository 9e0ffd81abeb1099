"""`skep pkg` and packages of the home in strategies, from the outside."""

from __future__ import annotations

import asyncio
import os
import subprocess

import pytest

from skep.strategy import StrategyHost
from skep.strategy.outcomes import Completed, Failed
from skep.strategy.packages.install import install
from skep.strategy.packages.layout import HomeFiles
from skep.strategy.packages.offers import offer_of_folder
from skep.strategy.packages.tree import digest_of, hashes, read_tree
from skep.strategy.packages.trust import vouch_digests

ASKS = """
local M = {}
M.meta = { name = "asks", version = "1.2.3" }
function M.run(ctx)
  ctx.result = alc.llm("?") .. require("asks.part")
  return ctx
end
return M
"""


def package(folder):
    folder.mkdir(parents=True)
    (folder / "init.lua").write_text(ASKS)
    (folder / "part.lua").write_text("return ' and part'")
    return folder


def test_a_package_from_the_first_line_to_its_removal(skep):
    assert skep("pkg", "init").returncode == 0
    assert skep("pkg", "scaffold", "mine").returncode == 0
    assert skep.json("pkg", "install", "./mine")["installed"] == ["mine"]
    [row] = [row for row in skep.json("pkg", "list")["packages"] if row["name"] == "mine"]
    assert (row["trust"], row["version"], row["resolved_source_kind"]) == ("trusted", "0.1.0", "installed")
    assert 'mine = "*"' in (skep.folder / "alc.toml").read_text()

    (skep.home / "packages" / "mine" / "init.lua").write_text("return {}")
    told = skep("pkg", "doctor")
    assert told.returncode == 1
    assert "BAD  mine: not what was installed (look at it, then skep pkg trust mine)" in told.stdout
    assert skep("pkg", "trust", "mine").returncode == 0
    assert skep.json("pkg", "doctor", "mine")["healthy"] == [{"name": "mine"}]
    assert skep("pkg", "remove", "mine").returncode == 0
    assert skep("pkg", "trust", "mine").returncode == 2


def test_a_repository_is_installed_by_a_protocol_that_the_owner_allows(skep):
    work = package(skep.folder / "asks.git")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        who = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        subprocess.run(["git", *words], cwd=work, env={**skep.env, **who}, check=True)
    refused = skep("pkg", "install", f"file://{work}")
    assert refused.returncode == 2
    assert "E-PACKAGE-SOURCE packages do not come by file" in refused.stderr
    skep.home.mkdir(mode=0o700, exist_ok=True)
    (skep.home / "config.toml").write_text('[packages]\ngit_protocols = ["file"]\n')
    assert skep.json("pkg", "install", f"file://{work}") == {"installed": ["asks"], "mode": "single"}
    assert sorted(file.name for file in (skep.home / "packages" / "asks").iterdir()) == [
        "init.lua",
        "part.lua",
    ]


@pytest.mark.parametrize("source", ["ext::sh -c id", "https://127.0.0.1/x", "https://a:b@example.org/x"])
def test_a_hostile_address_is_one_line_and_git_is_not_started(skep, source):
    folder = skep.folder / "bin"
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\ntouch {folder}/started\n")
    (folder / "git").chmod(0o755)
    done = skep("pkg", "install", source, PATH=f"{folder}:/usr/bin:/bin")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "E-PACKAGE-SOURCE" in done.stderr
    assert not (folder / "started").exists()


def run(home, answer="yes"):
    async def main():
        async def answering(_query):
            return answer

        async with StrategyHost(home=home) as host:
            return await host.run(strategy="asks", answer=answering)

    return asyncio.run(main())


def test_a_host_runs_what_its_owner_installed_and_nothing_else(tmp_path):
    home = HomeFiles(tmp_path / "home")
    offer = offer_of_folder(package(tmp_path / "asks"))
    install(offer, home)
    refused = run(home.home)
    assert isinstance(refused, Failed)
    assert "package asks is not trusted" in refused.error
    assert "skep pkg trust asks" in refused.error
    install(offer, home, trusted=True)
    done = run(home.home)
    assert isinstance(done, Completed)
    assert done.result == {"result": "yes and part"}


def test_a_package_that_changes_between_ask_and_answer_is_an_error_where_it_matters(tmp_path):
    home = HomeFiles(tmp_path / "home")
    install(offer_of_folder(package(tmp_path / "asks")), home, trusted=True)

    async def main():
        async with StrategyHost(home=home.home) as host:

            async def answering(_query):
                (home.packages / "asks" / "part.lua").write_text("return ' and another'")
                return "yes"

            return await host.run(strategy="asks", answer=answering)

    end = asyncio.run(main())
    assert isinstance(end, Failed)
    assert "package asks is not what was installed" in end.error


def test_a_package_of_another_host_may_lie_in_a_folder_that_the_environment_names(tmp_path, monkeypatch):
    package(tmp_path / "packages" / "asks")
    monkeypatch.setenv("ALC_PACKAGES_PATH", os.fspath(tmp_path / "packages"))
    done = run(tmp_path / "home")
    assert isinstance(done, Completed)


def test_a_project_puts_a_package_in_the_place_of_another_and_makes_it_no_more_trusted(tmp_path):
    home = HomeFiles(tmp_path / "home")
    install(offer_of_folder(package(tmp_path / "asks")), home, trusted=True)
    variant = tmp_path / "project" / "other"
    variant.mkdir(parents=True)
    (variant / "init.lua").write_text("return { run = function() return 'variant' end }")
    (tmp_path / "project" / "alc.local.toml").write_text('[packages.asks]\npath = "other"\n')

    async def main():
        async with StrategyHost(home=home.home, project_root=tmp_path / "project") as host:
            return await host.run(strategy="asks", answer=None)

    refused = asyncio.run(main())
    assert isinstance(refused, Failed)
    assert "package asks is not trusted" in refused.error
    vouch_digests(home.trusted, {"asks": digest_of(hashes(read_tree(variant)))})
    done = asyncio.run(main())
    assert isinstance(done, Completed)
    assert done.result == "variant"
