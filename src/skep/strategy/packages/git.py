"""A repository's files, by way of `git`, which is given nothing of ours and checks nothing out.

Only objects are fetched, into a folder that goes again; then sizes and modes are looked at, and contents are
read as they are. So no hook, filter, submodule or link of the repository ever comes to act.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from msgspec import Struct

from skep.errors import LimitExceeded, SourceRefused
from skep.strategy.packages.addresses import Repository, check_rev
from skep.strategy.packages.tree import LEFT_OUT, MAX_BYTES, MAX_DEPTH, Tree, check_size

MAX_LISTING = 8 << 20
_KILO = 1024
_BLOCK = 512
_LINK = b"120000"


class Fetched(Struct, frozen=True):
    """The files of one commit; `links` are symbolic links, which are not followed, with where they lead."""

    commit: str
    tree: Tree
    links: dict[str, str]


def fetch(repository: Repository, rev: str | None, *, protocol: str, timeout: float) -> Fetched:
    """One commit of a repository: the one that `rev` names, else the newest of its main branch.

    Raises:
        SourceRefused: git is not there, or fails.
        LimitExceeded: it takes too long, or is too big.
    """
    wanted = check_rev(rev) if rev is not None else "HEAD"
    with tempfile.TemporaryDirectory(prefix="skep-git-") as folder:
        git = _Git(Path(folder), protocol, repository, time.monotonic() + timeout, timeout)
        git.run("init", "--quiet", "--bare", "--template=", ".")
        git.run(
            "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", repository.url, wanted
        )
        commit = git.run("rev-parse", "--verify", "FETCH_HEAD^{commit}").decode().strip()
        entries = _entries(
            git.run("ls-tree", "-r", "-l", "-z", "--full-tree", commit, limit=MAX_LISTING), git
        )
        contents = _contents(git, [entry.id for entry in entries])
    files = {e.path: data for e, data in zip(entries, contents, strict=True) if not e.link}
    links = {
        e.path: data.decode(errors="replace") for e, data in zip(entries, contents, strict=True) if e.link
    }
    return Fetched(commit, files, links)


class _Entry(Struct, frozen=True):
    path: str
    id: str
    size: int
    link: bool


def _entries(listing: bytes, git: _Git) -> list[_Entry]:
    entries: list[_Entry] = []
    size = 0
    for line in filter(None, listing.split(b"\0")):
        head, _, raw = line.partition(b"\t")
        mode, kind, name, length = head.split()
        parts = raw.split(b"/")
        if kind != b"blob" or LEFT_OUT.intersection(part.decode(errors="replace") for part in parts[:-1]):
            continue  # a submodule: nothing of it is fetched
        if len(parts) > MAX_DEPTH:
            raise LimitExceeded("package_depth", MAX_DEPTH, where=git.url)
        try:
            path = raw.decode()
        except UnicodeDecodeError as error:
            raise SourceRefused("a file's name is not UTF-8", where=git.url) from error
        size += int(length)
        entries.append(_Entry(path, name.decode(), int(length), link=mode == _LINK))
        check_size(len(entries), size, git.url)
    return entries


def _contents(git: _Git, ids: list[str]) -> list[bytes]:
    given = "".join(f"{name}\n" for name in ids).encode()
    stream = git.run("cat-file", "--batch", given=given, limit=2 * MAX_BYTES)
    found: list[bytes] = []
    at = 0
    for name in ids:
        end = stream.index(b"\n", at)
        head = stream[at:end].split()
        if head[:2] != [name.encode(), b"blob"]:
            raise SourceRefused("git did not give a file that it has listed", where=git.url)
        size = int(head[2])
        found.append(stream[end + 1 : end + 1 + size])
        at = end + 1 + size + 1
    return found


class _Git:
    """Runs git in one bare folder until one moment."""

    def __init__(
        self, folder: Path, protocol: str, repository: Repository, deadline: float, timeout: float
    ) -> None:
        self.url = repository.url
        self._folder = folder
        self._options = _options(folder, protocol, repository)
        self._deadline = deadline
        self._timeout = timeout
        program = shutil.which("git")
        if program is None:
            raise SourceRefused("git is not installed", fix="install it, or install a folder instead")
        self._program = program

    def run(self, *words: str, given: bytes = b"", limit: int = 1 << 20) -> bytes:
        """What one command prints. Raises `SourceRefused`, `LimitExceeded`."""
        output = self._folder / "output"
        with output.open("wb") as stdout, (self._folder / "errors").open("wb") as stderr:
            (self._folder / "input").write_bytes(given)
            with (self._folder / "input").open("rb") as stdin:
                process = subprocess.Popen(  # noqa: S603 - a fixed program; each word from outside was checked
                    self._limited(*self._options, *words),
                    cwd=self._folder,
                    env=_environment(self._folder),
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                )
            self._wait(process)
        if process.returncode != 0:
            said = (self._folder / "errors").read_bytes()[: 4 * _KILO].decode(errors="replace").strip()
            if self._cut_off():
                raise LimitExceeded("package_bytes", MAX_BYTES, where=self.url)
            lines = said.splitlines() or ["it said nothing"]
            why = next((line for line in lines if line.startswith("fatal: ")), lines[-1])
            raise SourceRefused(f"git {words[0]} failed: {why.removeprefix('fatal: ')}"[:500], where=self.url)
        if output.stat().st_size > limit:
            raise LimitExceeded("git_output", limit, where=self.url)
        return output.read_bytes()

    def _limited(self, *words: str) -> list[str]:
        # A shell sets the limit, so that it holds for every program that git starts, from their first moment.
        limit = f'ulimit -f {2 * MAX_BYTES // _BLOCK} && exec "$@"'
        return ["/bin/sh", "-c", limit, "sh", self._program, *words]

    def _cut_off(self) -> bool:
        """Whether a file has grown to the limit: git does not say that this is why it failed."""
        sizes = (file.stat().st_size for file in self._folder.rglob("*") if file.is_file())
        return max(sizes, default=0) >= 2 * MAX_BYTES // _BLOCK * _BLOCK

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        try:
            process.wait(max(0.0, self._deadline - time.monotonic()))
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)  # not waited for yet, so the number is still its own
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise LimitExceeded("git_timeout", self._timeout, where=self.url) from error
            raise


def _options(folder: Path, protocol: str, repository: Repository) -> tuple[str, ...]:
    settings = {
        "protocol.allow": "never",
        f"protocol.{protocol}.allow": "always",
        "http.followRedirects": "false",
        "core.hooksPath": str(folder / "none"),
        "core.fsmonitor": "false",
        "core.bigFileThreshold": "1m",
        "fetch.unpackLimit": "1",
        "fetch.fsckObjects": "true",
        "gc.auto": "0",
        "maintenance.auto": "false",
        "credential.helper": "",
    }
    if repository.addresses:
        # The addresses that were looked at: a second look-up might give others.
        pinned = ",".join(f"[{a}]" if ":" in a else a for a in repository.addresses)
        settings["http.curloptResolve"] = f"{repository.host}:{repository.port}:{pinned}"
    return tuple(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "GIT_SSL_CAINFO") if name in os.environ}
    return kept | {
        "HOME": str(folder),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_DIR": str(folder),
    }
