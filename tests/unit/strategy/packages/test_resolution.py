from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skep.errors import LuaError, PackageChanged, PackageNotFound, PackageUntrusted
from skep.lua.runner import Script
from skep.lua.vm import LuaVM
from skep.strategy.bundled import BUNDLED
from skep.strategy.packages.installed import Installed, write_installed
from skep.strategy.packages.pinned import Pinned, write_pinned
from skep.strategy.packages.resolution import Packages
from skep.strategy.packages.sources import Source
from skep.strategy.packages.tree import digest_of, hashes, read_tree
from skep.strategy.packages.trust import vouch, vouch_digests

ALL = "untrusted"


def digest(folder):
    return digest_of(hashes(read_tree(folder)))


def source(packages, name):
    return packages.finder(ALL)(name)[1]


def test_the_places_are_searched_in_the_published_order(world):
    world.write(
        "project/alc.local.toml", '[packages.p]\npath = "../variant"\n[packages.q]\npath = "../local"\n'
    )
    world.write(
        "project/alc.lock",
        'version = 1\n[[package]]\nname = "r"\n[package.source]\ntype = "path"\npath = "../locked"\n',
    )
    order = [
        ("variant", ""),
        ("extra", "p"),
        ("local", "p"),
        ("locked", "p"),
        ("given", "p"),
        ("environment", "p"),
        ("home/packages", "p"),
    ]
    for place, name in order:
        world.package(place, name, init=f"return '{place}'")
    environ = {"ALC_PACKAGES_PATH": f"{world.folder}/environment:{world.folder}/none"}
    for place, name in order:
        packages = world.packages("given", extra=["extra"], environ=environ)
        assert source(packages, "p") == f"return '{place}'"
        (world.folder / place / name / "init.lua").unlink()
    assert packages.finder(ALL)("p")[0] == "absent"


def test_our_own_come_last(world):
    packages = world.packages()
    assert packages.locate("cot").root.kind == "bundled"
    world.package("home/packages", "cot")
    assert world.packages().locate("cot").root.kind == "home"


def test_a_variant_has_another_folder_than_its_name(world):
    world.write("project/alc.local.toml", 'packages = {my-cot = {path = "../work/other"}}')
    world.package("work/other", sub="return 1", deep__init="return 2")
    find = world.packages().finder(ALL)
    assert find("my-cot") == ("found", "return {}", "my-cot/init.lua")
    assert find("my-cot.sub") == ("found", "return 1", "my-cot/sub.lua")
    assert find("my-cot.deep") == ("found", "return 2", "my-cot/deep/init.lua")
    assert find("other")[0] == "absent"


def test_a_path_in_the_lock_may_be_that_of_the_package_itself(world):
    write_pinned(
        world.project / "alc.lock", {"p": Pinned(name="p", source=Source(type="path", path="../work/x"))}
    )
    world.package("work/x", sub="return 1")
    find = world.packages().finder(ALL)
    assert find("p")[0] == "found"
    assert find("p.sub")[1] == "return 1"
    assert find("sub")[1] == "return 1"


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../cot", "a..b", "a/b", 'a"b', "a'b", "a\0b", "a b", "é", "x" * 300, "cot."]
)
def test_what_is_no_name_is_absent(world, name):
    packages = world.packages()
    assert packages.finder(ALL)(name)[0] == "absent"
    with pytest.raises(PackageNotFound, match="skep pkg"):
        packages.locate(name)


@given(st.text(max_size=300))
def test_whatever_the_name_nothing_outside_is_read(name):
    find = Packages(environ={}).finder("untrusted")
    status, *found = find(name)
    assert status == "absent" or (BUNDLED / found[1]).read_text() == found[0]


def test_a_link_out_of_a_root_is_refused(world):
    world.package("elsewhere", "p")
    (world.folder / "given").mkdir()
    (world.folder / "given" / "p").symlink_to(world.folder / "elsewhere" / "p")
    with pytest.raises(LuaError, match="outside its root"):
        source(world.packages("given"), "p")


def test_a_linked_package_in_the_home_is_found_and_nothing_beside_it(world):
    linked = world.package("work/p")
    world.package("work", "secret")
    (linked / "out.lua").symlink_to(world.folder / "work" / "secret" / "init.lua")
    (world.home / "packages").mkdir()
    (world.home / "packages" / "p").symlink_to(linked)
    packages = world.packages()
    assert source(packages, "p") == "return {}"
    assert packages.locate("p").folder == linked.resolve()
    with pytest.raises(LuaError, match="outside its root"):
        source(packages, "p.out")
    with pytest.raises(LuaError, match="ALC_PKG_STRICT"):
        world.packages(environ={"ALC_PKG_STRICT": "1"}).locate("p")


def test_a_missing_folder_is_counted_warned_of_once_and_looked_at_again(world, caplog):
    packages = world.packages("later")
    with caplog.at_level(logging.WARNING, "skep.strategy"):
        assert packages.finder(ALL)("p")[0] == "absent"
        assert packages.finder(ALL)("p")[0] == "absent"
    later = str(world.folder / "later")
    assert packages.missing == {later: 2}
    assert packages.warnings == [f"{later} does not exist (2 times)"]
    assert len(caplog.records) == 1
    world.package("later", "p")
    assert source(packages, "p") == "return {}"


@pytest.mark.parametrize("file", ["alc.local.toml", "alc.lock"])
@pytest.mark.parametrize(
    "text", ["[", "version = 2\npackages = 3", '[packages]\n"../x" = "*"\n', 'x = "\xff']
)
def test_a_broken_file_of_the_project_is_a_warning(world, file, text):
    (world.project / file).write_bytes(text.encode("latin-1"))
    world.package("given", "p")
    packages = world.packages("given")
    if file == "alc.lock" or "version" in text or "[" in text:
        assert file in packages.warnings[0]
    assert source(packages, "p") == "return {}"


def test_without_home_and_project_there_are_the_given_and_ours(tmp_path):
    packages = Packages(environ={})
    assert [root.kind for root in packages.roots] == ["bundled"]
    assert packages.trust_of("cot") == "trusted"


# -- trust -----------------------------------------------------------------------------------------


def test_what_the_owners_program_names_is_trusted(world):
    world.package("given", "p")
    packages = world.packages("given")
    assert packages.trust_of("p") == "trusted"
    assert packages.finder("trusted")("p")[0] == "found"


def test_what_only_lies_in_the_home_or_the_project_is_not(world):
    world.package("home/packages", "p")
    world.package("work/q")
    world.write("project/alc.local.toml", '[packages.q]\npath = "../work/q"\n')
    packages = world.packages()
    for name in ("p", "q"):
        assert packages.trust_of(name) == "untrusted"
        assert packages.finder("untrusted")(name)[0] == "found"
        with pytest.raises(PackageUntrusted, match=f"skep pkg trust {name}"):
            packages.finder("trusted")(name)


def test_a_project_cannot_put_a_trusted_package_in_the_place_of_ours(world):
    world.write("project/alc.local.toml", '[packages.cot]\npath = "evil"\n')
    world.package("project/evil")
    assert world.packages().trust_of("cot") == "untrusted"


def test_a_digest_is_trusted_until_a_file_changes(world):
    folder = world.package("home/packages", "p", sub="return 1")
    vouch_digests(world.home / "trusted.json", {"p": digest(folder)})
    packages = world.packages()
    assert packages.trust_of("p") == "trusted"
    (folder / "sub.lua").write_text("return 2")
    with pytest.raises(PackageUntrusted):
        packages.finder("trusted")("p.sub")
    assert world.packages().trust_of("p") == "untrusted"
    vouch_digests(world.home / "trusted.json", {"p": digest(folder)})
    assert packages.finder("trusted")("p.sub")[1] == "return 2"


def test_a_trusted_folder_may_change(world):
    folder = world.package("work/p")
    world.write("project/alc.local.toml", '[packages.p]\npath = "../work/p"\n')
    vouch(world.home / "trusted.json", "p", folder=folder)
    packages = world.packages()
    assert packages.finder("trusted")("p")[0] == "found"
    (folder / "init.lua").write_text("return 2")
    assert packages.finder("trusted")("p")[1] == "return 2"


def install(world, **files):
    folder = world.package("home/packages", "p", **files)
    write_installed(world.home / "installed.json", {"p": Installed(digest=digest(folder))})
    return folder


@pytest.mark.parametrize("trust", ["trusted", "untrusted"])
def test_an_installed_package_that_changed_is_an_error(world, trust):
    folder = install(world, sub="return 1")
    vouch_digests(world.home / "trusted.json", {"p": digest(folder)})
    packages = world.packages()
    find = packages.finder(trust)
    assert find("p")[0] == "found"
    (folder / "sub.lua").write_text("return 2")
    with pytest.raises(PackageChanged, match="skep pkg trust p"):
        find("p.sub")
    with pytest.raises(PackageChanged):
        world.packages().trust_of("p")
    (folder / "sub.lua").write_text("return 1")
    assert find("p.sub")[0] == "found"


def test_a_file_that_came_later_makes_it_another_package(world):
    folder = install(world)
    (folder / "more.lua").write_text("return 1")
    with pytest.raises(PackageChanged):
        world.packages().finder("untrusted")("p.more")


def test_what_the_lock_pins_must_be_what_is_installed(world):
    folder = install(world)
    pinned = Pinned(name="p", source=Source(type="installed"), digest=digest(folder))
    write_pinned(world.project / "alc.lock", {"p": pinned})
    assert world.packages().finder(ALL)("p")[0] == "found"
    write_pinned(
        world.project / "alc.lock",
        {"p": Pinned(name="p", source=Source(type="installed"), digest="sha256:0")},
    )
    with pytest.raises(PackageChanged, match=r"alc\.lock"):
        world.packages().finder(ALL)("p")


# -- as `require` sees it ----------------------------------------------------------------------------


def run(world, code):
    vm = LuaVM(roots=world.packages("given").finder("trusted"))
    return vm.run(Script(code))


def test_a_package_requires_its_own_parts(world):
    world.package("given", "p", init="return {part = require('p.part')}", part="return 'part'")
    assert run(world, "return require('p').part") == "part"


def test_a_package_that_requires_itself_is_an_error(world):
    world.package("given", "p", init="return require('p')")
    with pytest.raises(LuaError, match="module 'p' requires itself"):
        run(world, "return require('p')")


def test_a_module_that_failed_may_be_tried_again_and_again(world):
    world.package(
        "given", "p", init="tries = (tries or 0) + 1 if tries < 70 then error('not yet') end return 'ready'"
    )
    assert run(world, "for _ = 1, 70 do pcall(require, 'p') end return {require('p'), tries}") == [
        "ready",
        70,
    ]


def test_a_syntax_error_names_the_file_and_ends_the_search(world):
    world.package("given", "cot", init="return {")
    with pytest.raises(LuaError, match=r"cot/init\.lua:1"):
        run(world, "return require('cot')")


def test_a_script_can_catch_that_a_package_is_not_trusted(world):
    world.package("home/packages", "p")
    ok, why = run(world, "return {pcall(require, 'p')}")
    assert ok is False
    assert "skep pkg trust p" in why
