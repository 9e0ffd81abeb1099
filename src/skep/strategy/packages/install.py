"""Installing: from an offer into the home, with a record of what and from where."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from skep.errors import LimitExceeded, PackageExists, StrategyError
from skep.strategy.files import locked
from skep.strategy.packages import project as projects
from skep.strategy.packages.extras import bring_cards, bring_scenarios
from skep.strategy.packages.files import now
from skep.strategy.packages.installed import Installed, read_installed, write_installed
from skep.strategy.packages.layout import HomeFiles, ProjectFiles
from skep.strategy.packages.meta import read_meta
from skep.strategy.packages.offers import INIT, Offer
from skep.strategy.packages.pinned import Pinned
from skep.strategy.packages.sources import Source
from skep.strategy.packages.tree import Tree, digest_of, hashes, sweep, write_tree
from skep.strategy.packages.trust import vouch_digests


class _Sorted(Struct):
    """What becomes of each package of an offer."""

    new: list[str] = []
    updated: list[str] = []
    skipped: list[str] = []
    links: list[str] = []


def install(
    offer: Offer, home: HomeFiles, *, project: ProjectFiles | None = None, trusted: bool = False
) -> dict[str, Any]:
    """Install all packages of an offer; returns what was done, in the published form.

    Those from a folder replace what is there; those from a repository do not. Links are never replaced.

    Args:
        offer: see `skep.strategy.packages.offers`.
        home: where to.
        project: has its `alc.toml` and `alc.lock` brought up to date.
        trusted: the owner asks for it, so these very files may run as trusted.

    Raises:
        PackageExists: the only package is there already.
        PackageError: a file cannot be written, or the records cannot be read.
    """
    with locked(home.lock):
        home.packages.mkdir(parents=True, exist_ok=True)
        sweep(home.packages)
        records = read_installed(home.installed)
        done = _sort(offer, home)
        written = {name: offer.packages[name] for name in (*done.new, *done.updated)}
        for name, tree in written.items():
            write_tree(tree, home.packages / name, over=name in done.updated)
            records[name] = _record(offer, tree, records.get(name))
        write_installed(home.installed, records)
        if trusted:
            vouch_digests(home.trusted, {name: str(records[name].digest) for name in written})
        cards = bring_cards(home, written)
        scenarios, failures = bring_scenarios(home, offer.scenarios)
    result = _result(offer, done, cards, scenarios, failures)
    if project is not None and written:
        try:
            projects.want(project, [_pinned(name, records[name]) for name in written])
        except (StrategyError, LimitExceeded) as error:
            result["project_files_warnings"] = [str(error)]
    return result


def _sort(offer: Offer, home: HomeFiles) -> _Sorted:
    done = _Sorted()
    local = offer.source.type == "path"
    for name in offer.packages:
        there = home.packages / name
        exists = there.is_symlink() or there.exists()
        if exists and offer.single and (there.is_symlink() or not local):
            undo = "unlink" if there.is_symlink() else "remove"
            raise PackageExists(
                f"Package '{name}' already exists at {there}. Remove it first.", fix=f"skep pkg {undo} {name}"
            )
        kept = done.links if there.is_symlink() else done.updated if local else done.skipped
        (kept if exists else done.new).append(name)
    return done


def _record(offer: Offer, tree: Tree, before: Installed | None) -> Installed:
    moment = now()
    return Installed(
        version=version_of(tree),
        source=offer.source,
        installed_at=before.installed_at if before is not None else moment,
        updated_at=moment,
        commit=offer.commit,
        digest=digest_of(hashes(tree)),
    )


def version_of(tree: Tree) -> str | None:
    """What the package says of its version."""
    return read_meta(tree.get(INIT, b"").decode(errors="replace")).version


def _pinned(name: str, record: Installed) -> Pinned:
    # A folder of this machine means nothing to others who have the lock.
    source = record.source if record.source.type == "git" else Source(type="installed")
    fields = structs.asdict(record)
    return Pinned(name=name, source=source, **{key: fields[key] for key in ("version", "commit", "digest")})


def _result(
    offer: Offer, done: _Sorted, cards: list[str], scenarios: list[str], failures: list[str]
) -> dict[str, Any]:
    local = offer.source.type == "path"
    if offer.single:
        return {"installed": list(offer.packages), "mode": "local_single" if local else "single"}
    result: dict[str, Any] = {
        "installed": done.new,
        "cards_installed": cards,
        "scenarios_installed": scenarios,
        "scenarios_failures": failures,
        "skipped_symlinks": done.links,
        "mode": "local_collection" if local else "collection",
    }
    result |= {"updated": done.updated} if local else {"skipped": done.skipped}
    return result | ({"skipped_names": list(offer.misnamed)} if offer.misnamed else {})
