"""Lists, the doctor, and what a package and a project begin with."""

from __future__ import annotations

import pytest

from skep.errors import PackageError, PackageExists, PackageNotFound
from skep.lua.runner import Script
from skep.lua.vm import LuaVM
from skep.strategy.packages.begin import begin
from skep.strategy.packages.checkup import KINDS, check_up, missing_parts
from skep.strategy.packages.install import install
from skep.strategy.packages.layout import HomeFiles, ProjectFiles
from skep.strategy.packages.link import link_global
from skep.strategy.packages.listing import list_packages
from skep.strategy.packages.manifest import read_manifest
from skep.strategy.packages.meta import read_meta
from skep.strategy.packages.offers import offer_of_folder
from skep.strategy.packages.scaffold import scaffold


def rows(packages, name):
    return [row for row in list_packages(packages)["packages"] if row["name"] == name]


def test_every_package_is_listed_with_where_and_what(world):
    home = HomeFiles(world.home)
    code = (
        "local M = {} M.meta = {name = 'cot', version = '9', category = 'x', path = 'mine', trust = 'mine'}"
    )
    install(offer_of_folder(world.package("work/cot", init=code)), home, trusted=True)
    world.package("given", "cot")
    first, *others = rows(world.packages("given", "none"), "cot")
    assert (first["path"], first["active"], first["trust"]) == (
        str(world.folder / "given" / "cot"),
        True,
        "trusted",
    )
    assert first["override_paths"] == [row["path"] for row in others]
    assert [row["resolved_source_kind"] for row in others] == ["installed", "bundled"]
    installed = rows(world.packages(), "cot")[0]
    assert {
        key: installed[key]
        for key in ("version", "category", "scope", "source_type", "install_source", "trust")
    } == {
        "version": "9",
        "category": "x",
        "scope": "global",
        "source_type": "path",
        "install_source": str(world.folder / "work" / "cot"),
        "trust": "trusted",
    }
    assert installed["path"] == str(home.packages / "cot")
    listed = list_packages(world.packages("none"))
    assert listed["search_paths"][0] == {"path": str(world.folder / "none"), "source": "given"}
    assert listed["project_root"] == str(world.project)


def test_what_is_wrong_is_in_the_list(world):
    home = HomeFiles(world.home)
    install(offer_of_folder(world.package("work/p")), home)
    link_global(world.package("work/q"), home)
    (home.packages / "p" / "more.lua").write_text("")
    (world.folder / "work" / "q" / "init.lua").unlink()
    (world.folder / "work" / "q").rmdir()
    assert rows(world.packages(), "p")[0]["trust"] == "changed"
    broken = rows(world.packages(), "q")[0]
    assert (broken["linked"], broken["broken"]) == (True, True)
    assert "error" in broken


def test_the_doctor_says_what_to_do(world):
    home, project = HomeFiles(world.home), ProjectFiles(world.project)
    for name, files in {
        "fine": {},
        "gone": {},
        "touched": {},
        "torn": {
            "init": "require('torn.a') require \"torn.b.c\" require('torn.' .. x) -- require('torn.d')",
            "a": "",
        },
    }.items():
        install(offer_of_folder(world.package("work", name, **files)), home)
    link_global(world.package("work/linked"), home)
    (world.folder / "work" / "linked").rename(world.folder / "work" / "moved")
    (home.packages / "gone").rename(world.folder / "elsewhere")
    (home.packages / "touched" / "init.lua").write_text("return 1")
    world.write("project/alc.local.toml", '[packages.away]\npath = "away"\n')
    report = check_up(home, project)
    assert {kind: [one["name"] for one in found] for kind, found in report.items()} == {
        "healthy": ["fine"],
        "incomplete_pkg": ["torn"],
        "installed_missing": ["gone"],
        "path_missing": ["away"],
        "symlink_dangling": ["linked"],
        "changed": ["touched"],
    }
    torn = report["incomplete_pkg"][0]
    assert torn["kind"] == "incomplete_pkg"
    assert torn["reason"] == "required and not there: torn.b.c"
    assert report["installed_missing"][0]["suggestion"].endswith(f"skep pkg install {world.folder}/work/gone")
    assert check_up(home, project, "gone")["healthy"] == []
    with pytest.raises(PackageNotFound):
        check_up(home, project, "unknown")
    assert check_up(HomeFiles(world.folder / "none")) == {kind: [] for kind in KINDS}


def test_only_literal_names_of_the_package_itself_count():
    tree = {
        "init.lua": b"require('p') require('q.x') require(name) s = 'require(\"p.no\")' require('p.x.y')",
        "x/y/init.lua": b"",
    }
    assert missing_parts("p", tree) == []


HOSTILE = 'a "quote" \\ ]] \n os.exit() --\t\x00 \u2028 {0} {name}'


@pytest.mark.parametrize("description", ["", HOSTILE])
def test_a_new_package_is_one(world, description):
    done = scaffold("my_cot", world.folder, description=description, category=HOSTILE)
    file = world.folder / "my_cot" / "init.lua"
    assert done == {"status": "ok", "path": str(file), "bytes_written": file.stat().st_size}
    meta = read_meta(file.read_text())
    vm = LuaVM(roots=[world.folder])
    script = """alc = { llm = function(prompt) return "said" end }
    local M = require("my_cot")
    return { meta = M.meta, result = M.run({ task = "t" }).result }"""
    ran = vm.run(Script(script))
    assert ran["result"] == {"answer": "said", "draft": "said"}
    assert ran["meta"] == meta.fields
    assert meta.name == "my_cot"
    with pytest.raises(PackageExists):
        scaffold("my_cot", world.folder)


@pytest.mark.parametrize("name", ["", "My", "my-cot", "../x", "a/b", 'a"b', "9", "x" * 65])
def test_a_new_package_has_a_name_for_every_tool(world, name):
    with pytest.raises(PackageError):
        scaffold(name, world.folder)


def test_a_project_begins(world):
    world.write("project/.gitignore", "build\nalc.local.toml")
    assert begin(world.project)["gitignore_updated"] is True
    assert (world.project / ".gitignore").read_text() == "build\nalc.local.toml\n.alc-install.lock\n"
    assert read_manifest(world.project / "alc.toml") == {}
    with pytest.raises(PackageExists):
        begin(world.project)
