"""`skep pkg doctor`: what is wrong with installed and named packages, and what to do; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skep.errors import PackageNotFound, SkepError
from skep.strategy.packages.installed import Installed, read_installed
from skep.strategy.packages.layout import HomeFiles, ProjectFiles
from skep.strategy.packages.lua_text import Token, string_value, tokens
from skep.strategy.packages.manifest import read_manifest
from skep.strategy.packages.tree import Tree, digest_of, hashes, read_tree

KINDS = ("healthy", "incomplete_pkg", "installed_missing", "path_missing", "symlink_dangling", "changed")

Finding = tuple[str, str, str, str]
"""Kind, name, reason, suggestion."""


def check_up(home: HomeFiles, project: ProjectFiles | None = None, name: str | None = None) -> dict[str, Any]:
    """Lists by kind, in the published form: `{"name", "kind", "reason", "suggestion"}`; `changed` is ours.

    Raises:
        PackageNotFound: `name` is in none of the places.
        PackageError: a list of packages cannot be read.
    """
    report: dict[str, Any] = {kind: [] for kind in KINDS}
    for kind, package, reason, suggestion in (*_installed(home), *_named(project)):
        if name in {None, package}:
            told = {"name": package}
            if kind != "healthy":
                told |= {"kind": kind, "reason": reason, "suggestion": suggestion}
            report[kind].append(told)
    if name is not None and not any(report.values()):
        raise PackageNotFound(f"package '{name[:100]}' is neither installed nor named in a project")
    return report


def _installed(home: HomeFiles) -> Iterator[Finding]:
    records = read_installed(home.installed)
    links = {entry.name for entry in home.packages.glob("*") if entry.is_symlink()}
    for name in sorted({*records, *links}):
        folder = home.packages / name
        if folder.is_symlink() and not folder.exists():
            gone = f"symlink target missing: {folder.readlink()}"
            yield "symlink_dangling", name, gone, f"skep pkg unlink {name}"
        elif not folder.exists():
            missing = f"installed directory missing: {folder}"
            yield "installed_missing", name, missing, _again(name, records[name])
        else:
            yield _state(name, folder, records.get(name) if not folder.is_symlink() else None)


def _state(name: str, folder: Path, record: Installed | None) -> Finding:
    try:
        tree = read_tree(folder)
    except SkepError as error:
        return "incomplete_pkg", name, str(error), "install it again"
    missing = missing_parts(name, tree)
    if missing:
        again = _again(name, record) if record is not None else "bring the missing files"
        return "incomplete_pkg", name, f"required and not there: {', '.join(missing)}", again
    if record is not None and record.digest not in {None, digest_of(hashes(tree))}:
        return "changed", name, "not what was installed", f"look at it, then skep pkg trust {name}"
    return "healthy", name, "", ""


def missing_parts(name: str, tree: Tree) -> list[str]:
    """The parts of the package itself that it requires by a literal name and does not have."""
    wanted = {
        part
        for path, data in tree.items()
        if path.endswith(".lua")
        for part in _required(data.decode(errors="replace"))
        if part.startswith(f"{name}.")
    }
    stems = {part: part.removeprefix(f"{name}.").replace(".", "/") for part in wanted}
    return sorted(
        part for part, stem in stems.items() if f"{stem}.lua" not in tree and f"{stem}/init.lua" not in tree
    )


def _required(source: str) -> Iterator[str]:
    code: list[Token] = [token for token in tokens(source) if token.kind != "comment"]
    for at, token in enumerate(code):
        if token == Token("name", "require"):
            following = code[at + 1 : at + 4]
            literal = next((one for one in following if one.text != "("), None)
            joined = any(one.text == ".." for one in following)
            if literal is not None and literal.kind == "string" and not joined:
                yield string_value(literal.text)


def _again(name: str, record: Installed) -> str:
    source = record.source.url or record.source.path
    if source is None:
        return f"skep pkg install URL|FOLDER, or skep pkg remove {name}"
    return f"skep pkg remove {name} && skep pkg install {source}"


def _named(project: ProjectFiles | None) -> Iterator[Finding]:
    for file in (project.manifest, project.local) if project is not None else ():
        for name, wanted in read_manifest(file).items():
            if wanted.path is not None and not (file.parent / wanted.path).is_dir():
                reason = f"{file.name} names {wanted.path}, which is no folder"
                yield "path_missing", name, reason, f"correct {file.name}"
