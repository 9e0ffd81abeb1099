"""Hostile addresses are refused before git is started."""

from __future__ import annotations

import socket

import pytest

from skep.errors import ConfigError, SourceRefused
from skep.strategy.packages.addresses import check_repository, check_rev, lookup
from skep.strategy.packages.layout import HomeFiles
from skep.strategy.packages.settings import PackageSettings, read_settings

PUBLIC = ("93.184.216.34", "2606:2800:220:1::1")
DEFAULTS = PackageSettings()


def check(url, settings=DEFAULTS, addresses=PUBLIC):
    return check_repository(url, settings, lambda _host, _port: addresses)


@pytest.mark.parametrize("url", ["https://example.org/a/b.git", "example.org/a/b.git/"])
def test_a_public_https_address_is_taken(url):
    found = check(url)
    assert found.url.startswith("https://")
    assert (found.host, found.port, found.addresses, found.name) == ("example.org", 443, PUBLIC, "b")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///x",
        "ext::sh -c id",
        "ext::sh",
        "EXT::sh",
        "fd::3",
        "transport::https://example.org/x",
        "-u./payload",
        "--upload-pack=id",
        "https://-oProxyCommand=id/x",
        "https://example.org/a b",
        "https://example.org/a\nb",
        "https://example.org/\0",
        "https://example.org:99999/x",
        "https://example.org/x?y",
        "https://example.org/x#y",
        "https://user:secret@example.org/x",
        "https://token@example.org/x",
        "git@example.org:a/b",
        "http://example.org/x",
        "file:///etc",
        "FILE:///etc",
        "ssh://example.org/x",
        "git://example.org/x",
        "ftp://example.org/x",
        "ftps://example.org/x",
        "javascript://example.org/x",
        "https://example.org/" + "x" * 3_000,
        "https://ex\u00e4mple.org/x",
    ],
)
def test_what_is_no_public_https_address_is_refused(url):
    with pytest.raises(SourceRefused) as refused:
        check(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - refused, not listened on
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
    ],
)
def test_a_private_address_is_refused_also_among_public_ones(address):
    with pytest.raises(SourceRefused, match="private network"):
        check("https://example.org/x", addresses=(*PUBLIC, address))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "127.1"])
def test_no_spelling_of_this_machine_gets_past(host):
    with pytest.raises(SourceRefused):
        check_repository(f"https://{host}/x", DEFAULTS)


def test_a_host_without_an_address_is_refused(monkeypatch):
    with pytest.raises(SourceRefused, match="no address"):
        check("https://example.org/x", addresses=())

    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SourceRefused, match="not known"):
        lookup("nowhere.invalid", 443)


def test_the_owner_may_allow_more():
    allowed = PackageSettings(git_protocols=("file", "ssh"), private_hosts=("git.local",))
    assert check("file:///srv/x.git", allowed).name == "x"
    assert check("ssh://git@example.org/x", allowed).port == 22
    assert check("https://git.local/x", allowed, ("10.0.0.1",)).addresses == ()
    with pytest.raises(SourceRefused):
        check("https://other.local/x", allowed, ("10.0.0.1",))


@pytest.mark.parametrize("rev", ["main", "v1.0", "feature/a-b", "0" * 40])
def test_a_rev_is_a_branch_tag_or_commit(rev):
    assert check_rev(rev) == rev


@pytest.mark.parametrize(
    "rev", ["", "-x", "a..b", "a b", "a:b", "+a", "a^", "a@{1}", "/a", "a/", "a.lock", "x" * 300]
)
def test_what_git_might_take_for_something_else_is_no_rev(rev):
    with pytest.raises(SourceRefused):
        check_rev(rev)


def test_settings_come_from_the_home(world):
    assert read_settings(HomeFiles(world.home)) == PackageSettings()
    world.write("home/config.toml", '[packages]\ngit_protocols = ["file"]\nprivate_hosts = ["a"]\n')
    assert read_settings(HomeFiles(world.home)).protocols == {"https", "file"}


@pytest.mark.parametrize("text", ['git_protocols = ["ext"]', "git_protocol = []", "git_timeout = 'x'"])
def test_settings_that_mean_nothing_are_an_error(world, text):
    world.write("home/config.toml", f"[packages]\n{text}\n")
    with pytest.raises(ConfigError, match=r"config\.toml"):
        read_settings(HomeFiles(world.home))
