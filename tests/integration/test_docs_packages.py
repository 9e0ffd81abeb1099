"""The blocks of docs/packages.md run, and its numbers are those of the program."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec

from skep.strategy.packages.layout import HomeFiles, ProjectFiles
from skep.strategy.packages.roots import search_roots
from skep.strategy.packages.settings import DEFAULT_TIMEOUT, PackageSettings
from skep.strategy.packages.tree import MAX_BYTES, MAX_FILES

TEXT = (Path(__file__).parents[2] / "docs" / "packages.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n(?:\nprints `(.*?)`)?", re.MULTILINE | re.DOTALL)


def blocks(language):
    return [(body, prints) for found, body, prints in BLOCK.findall(TEXT) if found == language]


def test_the_commands_do_what_is_said_and_the_digest_is_the_one_that_is_trusted(skep):
    (first, _), (digest, _) = blocks("sh")
    env = {**skep.env, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(
        ["sh", "-e", "-c", f"{first}\n{digest}"],
        cwd=skep.folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [trusted] = re.findall(r"trusted my_cot: sha256:(\w+)", done.stdout)
    assert done.stdout.splitlines()[-1].split()[0] == trusted


def test_the_python_block_prints_what_is_said(capsys):
    [(body, prints)] = blocks("python")
    exec(compile(body, "docs/packages.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own text
    assert capsys.readouterr().out.strip() == prints


def test_the_settings_are_those_that_there_are():
    [(body, _)] = blocks("toml")
    said = tomllib.loads(body)["packages"]
    msgspec.convert(said, PackageSettings)
    assert set(said) == set(PackageSettings.__struct_fields__)


def test_the_limits_are_those_of_the_program():
    assert f"{MAX_FILES:,} files and\n{MAX_BYTES >> 20} MiB" in TEXT
    assert f"{DEFAULT_TIMEOUT} seconds" in TEXT


def test_the_places_are_listed_in_their_order(tmp_path):
    (tmp_path / "alc.local.toml").write_text('[packages.p]\npath = "p"\n')
    (tmp_path / "alc.lock").write_text(
        'version = 1\n[[package]]\nname = "q"\n[package.source]\ntype = "path"\npath = "q"\n'
    )
    roots, _ = search_roots(
        ["given"], ["extra"], HomeFiles(tmp_path), ProjectFiles(tmp_path), {"ALC_PACKAGES_PATH": "env"}
    )
    assert [root.kind for root in roots] == [
        "variant",
        "given",
        "local",
        "pinned",
        "given",
        "environment",
        "home",
        "bundled",
    ]
    steps = re.findall(r"^\d\. (.*)", TEXT, re.MULTILINE)
    words = (
        "alc.local.toml",
        "extra_paths",
        "alc.lock",
        "paths",
        "ALC_PACKAGES_PATH",
        "SKEP_HOME",
        "with skep",
    )
    assert all(word in step for word, step in zip(words, steps, strict=True))
