from __future__ import annotations

import os
import subprocess
import sys

import pytest
from msgspec import structs

from skep.journal import owner
from skep.journal.owner import ProcessId, this_process

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="asks /proc")  # noqa: PTH110


def identity(pid):
    us = this_process()
    return ProcessId(pid, owner._start_time(pid) or 0, us.boot, us.host, us.namespace)


def test_this_process_is_alive():
    assert this_process().pid == os.getpid()
    assert owner.is_alive(this_process())


def test_a_process_is_alive_until_it_ends():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        them = identity(child.pid)
        assert owner.is_alive(them)
    assert not owner.is_alive(them)


@needs_proc
def test_an_unreaped_process_is_dead():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        them = identity(child.pid)
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not owner.is_alive(them)
    assert not owner.is_alive(them)


@needs_proc
def test_a_reused_pid_is_another_process():
    assert not owner.is_alive(structs.replace(this_process(), started=this_process().started + 1))


def test_another_boot_is_over():
    assert not owner.is_alive(structs.replace(this_process(), boot="another"))


def test_without_proc_the_pid_is_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(owner, "_PROC", tmp_path)
    assert owner.is_alive(this_process())
    with subprocess.Popen([sys.executable, "-c", "0"]) as child:
        pid = child.pid
    assert not owner.is_alive(structs.replace(this_process(), pid=pid))


def test_a_process_of_somebody_else_is_alive(monkeypatch, tmp_path):
    def refuse(pid, signal):
        raise PermissionError(pid, signal)

    monkeypatch.setattr(owner, "_PROC", tmp_path)
    monkeypatch.setattr(os, "kill", refuse)
    assert owner.is_alive(structs.replace(this_process(), pid=1))


@needs_proc
def test_of_another_pid_namespace_nobody_knows_who_is_dead():
    elsewhere = structs.replace(this_process(), pid=2**22 + 1, namespace="pid:[1]")
    assert not owner.is_alive(structs.replace(elsewhere, namespace=this_process().namespace))
    assert owner.is_alive(elsewhere)
    assert owner.holds("theirs", elsewhere)
    assert not owner.in_sight(elsewhere)


def test_of_another_host_nobody_knows_who_is_dead():
    elsewhere = structs.replace(this_process(), pid=2**22 + 1, boot="another", host="another")
    assert owner.is_alive(elsewhere)
    assert not owner.is_alive(structs.replace(elsewhere, host=this_process().host))


@needs_proc
def test_a_host_that_was_renamed_is_still_this_one():
    assert not owner.is_alive(structs.replace(this_process(), pid=2**22 + 1, host="renamed"))


def test_a_lease_of_this_process_ends_with_its_journal():
    owner.enter("journal-1")
    assert owner.holds("journal-1", this_process())
    owner.leave("journal-1")
    assert not owner.holds("journal-1", this_process())
    assert not owner.holds("never", this_process())
