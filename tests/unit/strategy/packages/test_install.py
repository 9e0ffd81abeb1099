from __future__ import annotations

import shutil
import subprocess

import pytest

from skep.errors import PackageChanged, PackageError, PackageExists, PackageNotFound, PackageUntrusted
from skep.strategy.files import locked
from skep.strategy.packages.install import install
from skep.strategy.packages.installed import read_installed
from skep.strategy.packages.layout import HomeFiles, ProjectFiles, find_project
from skep.strategy.packages.link import link_global, link_variant, unlink
from skep.strategy.packages.manifest import Wanted, add_wanted, read_manifest
from skep.strategy.packages.offers import Offer, offer_of_folder
from skep.strategy.packages.pinned import read_pinned
from skep.strategy.packages.remove import remove
from skep.strategy.packages.sources import Source
from skep.strategy.packages.update import update
from skep.strategy.packages.vouching import distrust, trust

CODE = "local M = {}\nM.meta = { name = 'p', version = '1.0' }\nreturn M"


@pytest.fixture
def home(world):
    return HomeFiles(world.home)


@pytest.fixture
def project(world):
    (world.project / "alc.toml").write_text("# ours\n")
    return ProjectFiles(world.project)


def git_offer(tree, *, single=True):
    return Offer(
        packages=tree, single=single, source=Source(type="git", url="https://x/p", rev="v1"), commit="c" * 40
    )


def test_a_folder_is_copied_recorded_and_trusted(world, home, project):
    work = world.package("work/p", init=CODE, sub__part="return 1")
    done = install(offer_of_folder(work), home, project=project, trusted=True)
    assert done == {"installed": ["p"], "mode": "local_single"}
    shutil.rmtree(work)
    assert world.packages().finder("trusted")("p.sub.part")[1] == "return 1"
    record = read_installed(home.installed)["p"]
    assert (record.version, record.source) == ("1.0", Source(type="path", path=str(work)))
    pinned = read_pinned(project.pinned)["p"]
    assert (pinned.version, pinned.digest, pinned.source) == ("1.0", record.digest, Source(type="installed"))
    assert project.manifest.read_text().startswith("# ours\n")
    assert read_manifest(project.manifest) == {"p": Wanted(version="*")}


def test_what_nobody_vouched_for_is_installed_and_not_trusted(world, home):
    install(offer_of_folder(world.package("work/p")), home)
    assert world.packages().trust_of("p") == "untrusted"
    assert trust("p", world.packages())["trusted"] == "p"
    assert world.packages().trust_of("p") == "trusted"
    assert distrust("p", world.packages()) == {"distrusted": "p", "records": 1}
    assert world.packages().trust_of("p") == "untrusted"


def test_a_changed_package_is_an_error_until_it_is_trusted_again(world, home, project):
    install(offer_of_folder(world.package("work/p", init=CODE)), home, project=project, trusted=True)
    (home.packages / "p" / "init.lua").write_text("return 2")
    with pytest.raises(PackageChanged):
        world.packages().trust_of("p")
    trust("p", world.packages())
    assert world.packages().trust_of("p") == "trusted"
    assert world.packages().finder("trusted")("p")[1] == "return 2"


def test_a_folder_replaces_what_was_installed_a_repository_does_not(world, home):
    work = world.package("work/p", old="return 1")
    install(offer_of_folder(work), home)
    (work / "old.lua").unlink()
    assert install(offer_of_folder(work), home)["installed"] == ["p"]
    assert not (home.packages / "p" / "old.lua").exists()
    with pytest.raises(PackageExists, match=r"Package 'p' already exists at .* Remove it first\."):
        install(git_offer({"p": {"init.lua": b"return 3"}}), home)
    assert world.packages().finder("untrusted")("p")[1] == "return {}"


def test_a_commit_is_pinned(home, project):
    install(git_offer({"p": {"init.lua": CODE.encode()}}), home, project=project)
    pinned = read_pinned(project.pinned)["p"]
    assert (pinned.commit, pinned.source) == ("c" * 40, Source(type="git", url="https://x/p", rev="v1"))


def test_a_collection_brings_all_it_has(world, home):
    world.package("work", "a")
    world.package("work", "b", init=CODE)
    world.package("work", "9lives")
    world.write("work/README.md", "x")
    world.write("work/scenarios/maths.lua", "return {}")
    world.write("work/b/cards/b_1.toml", 'schema_version = "card/v0"')
    world.write("work/b/cards/other.toml", 'schema_version = "card/v9"')
    offer = offer_of_folder(world.folder / "work")
    assert install(offer, home) == {
        "installed": ["a", "b"],
        "updated": [],
        "skipped_symlinks": [],
        "skipped_names": ["9lives"],
        "cards_installed": ["b_1"],
        "scenarios_installed": ["maths"],
        "scenarios_failures": [],
        "mode": "local_collection",
    }
    assert (world.home / "cards" / "b" / "b_1.toml").exists()
    again = install(offer, home)
    assert (again["installed"], again["updated"], again["cards_installed"]) == ([], ["a", "b"], [])
    skipped = install(git_offer({"a": {"init.lua": b"x"}, "c": {"init.lua": b"y"}}, single=False), home)
    assert (skipped["installed"], skipped["skipped"], skipped["mode"]) == (["c"], ["a"], "collection")


@pytest.mark.parametrize("name", ["", "../x", "a/b", 'a"b', ".hidden", "9", "-x"])
def test_a_package_has_a_name_that_is_one(world, name):
    with pytest.raises(PackageError):
        offer_of_folder(world.package("work/p"), name or "9lives")


def test_what_is_no_package_is_not_installed(world):
    (world.folder / "empty").mkdir()
    world.package("many", "a")
    for place, name in (("empty", None), ("none", None), ("many", "x")):
        with pytest.raises(PackageError):
            offer_of_folder(world.folder / place, name)


def test_a_project_that_cannot_be_brought_up_to_date_is_told(world, home, project):
    project.pinned.write_text("version = 9")
    done = install(offer_of_folder(world.package("work/p")), home, project=project)
    assert "unsupported alc.lock version 9" in done["project_files_warnings"][0]
    assert world.packages().locate("p")


# -- links -------------------------------------------------------------------------------------------


def test_a_linked_package_may_change_and_be_unlinked(world, home):
    work = world.package("work/p")
    assert link_global(work, home) == {
        "linked": ["p"],
        "mode": "single",
        "targets": {"p": str(work)},
        "scope": "global",
    }
    (work / "init.lua").write_text("return 2")
    assert world.packages().finder("trusted")("p")[1] == "return 2"
    with pytest.raises(PackageExists, match="--force"):
        link_global(work, home)
    other = world.package("work/q")
    link_global(other, home, name="p", force=True)
    assert world.packages().locate("p").folder == other
    assert unlink("p", home) == {"unlinked": "p"}
    assert work.exists()
    with pytest.raises(PackageNotFound):
        unlink("p", home)


def test_an_unlinked_folder_is_no_longer_trusted(world, home):
    work = world.package("work/p")
    link_global(work, home)
    unlink("p", home)
    world.write("project/alc.local.toml", f'[packages.p]\npath = "{work}"\n')
    assert world.packages().trust_of("p") == "untrusted"


def test_no_link_takes_the_place_of_what_is_installed(world, home):
    work = world.package("work/p")
    install(offer_of_folder(work), home)
    for force in (False, True):
        with pytest.raises(PackageExists, match="skep pkg remove p"):
            link_global(work, home, force=force)
    with pytest.raises(PackageError, match="skep pkg remove p"):
        unlink("p", home)
    remove("p", "global", home)
    link_global(work, home)
    with pytest.raises(PackageExists, match="skep pkg unlink p"):
        install(offer_of_folder(work), home)
    with pytest.raises(PackageError, match="skep pkg unlink p"):
        remove("p", "global", home)


def test_a_variant_is_named_in_the_project(world, home, project):
    world.package("work", "p")
    world.package("work", "q")
    world.write("project/alc.local.toml", '[packages.q]\npath = "../other"\n')
    done = link_variant(world.folder / "work", home, project)
    assert (done["linked"], done["mode"], done["scope"]) == (["p"], "collection", "variant")
    assert world.packages().trust_of("p") == "trusted"
    assert read_manifest(project.local)["q"] == Wanted(path="../other")


# -- the rest ----------------------------------------------------------------------------------------


def test_removing_takes_the_files_too(world, home, project):
    install(offer_of_folder(world.package("work/p")), home, project=project, trusted=True)
    with pytest.raises(PackageNotFound):
        remove("q", "all", home, project)
    done = remove("p", "project", home, project)
    assert done == {
        "removed": "p",
        "scope": "project",
        "alc_toml": str(project.manifest),
        "alc_lock": str(project.pinned),
    }
    assert world.packages().locate("p")
    assert remove("p", "global", home)["deleted"] == str(home.packages / "p")
    assert read_installed(home.installed) == {}
    assert list(home.packages.iterdir()) == []
    with pytest.raises(PackageError, match="no project"):
        remove("p", "project", home)


def test_the_lock_is_written_from_what_is_there(world, home, project):
    install(offer_of_folder(world.package("work/p", init=CODE)), home)
    world.package("project/mine", init=CODE)
    for name, wanted in {
        "p": Wanted(version="*"),
        "mine": Wanted(path="mine"),
        "gone": Wanted(path="gone"),
        "absent": Wanted(version="*"),
        "other": Wanted(git="https://x/other"),
    }.items():
        add_wanted(project.manifest, name, wanted)
    done = update(home, project)
    assert done["resolved"] == 2
    assert done["alc_lock"] == str(project.pinned)
    assert [error.partition(":")[0] for error in done["errors"]] == ["gone", "absent", "other"]
    assert "skep pkg install https://x/other" in done["errors"][2]
    pinned = read_pinned(project.pinned)
    assert pinned["mine"].source == Source(type="path", path="mine")
    assert (pinned["p"].version, pinned["p"].source) == ("1.0", Source(type="installed"))


@pytest.mark.parametrize(
    "wanted", [Wanted(version="2.0"), Wanted(git="https://x/y"), Wanted(git="https://x/p", rev="v2")]
)
def test_what_is_there_must_be_what_is_wanted(home, project, wanted):
    install(git_offer({"p": {"init.lua": CODE.encode()}}), home)
    add_wanted(project.manifest, "p", wanted)
    assert update(home, project)["resolved"] == 0


def test_a_project_is_found_from_within(world, project):
    inside = world.project / "a" / "b"
    inside.mkdir(parents=True)
    assert find_project(cwd=inside, environ={}) == world.project
    assert find_project(cwd=world.home, environ={}) is None
    assert find_project(cwd=world.home, environ={"ALC_PROJECT_ROOT": str(world.project)}) == world.project
    assert find_project(world.folder / "none", cwd=world.home, environ={"ALC_PROJECT_ROOT": "/none"}) is None


def test_two_who_install_at_once_wait_for_each_other(world, home):
    world.package("work/p")
    with locked(home.lock):
        other = subprocess.run(
            ["flock", "--nonblock", str(home.lock), "true"], check=False, capture_output=True
        )
    assert other.returncode == 1


def test_a_script_cannot_load_what_was_installed_untrusted(world, home):
    install(offer_of_folder(world.package("work/p")), home)
    with pytest.raises(PackageUntrusted):
        world.packages().finder("trusted")("p")
