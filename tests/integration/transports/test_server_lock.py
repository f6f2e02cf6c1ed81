"""A lock file is held for the life of a server's processes, and proves their death."""

import os
import shutil
import signal

import pytest

from mailq.transports.server_lock import Holder, ServerLock, lock_path, proves_dead


@pytest.fixture
def path(tmp_path):
    return lock_path(tmp_path, "web1:8851")


def hold(path):
    """A process that holds and has signed the lock, with a child that has inherited it; pids and nonce."""
    lock = ServerLock.open(path)
    told, tell = os.pipe()
    main = os.fork()
    if not main:
        lock.take()
        lock.sign()
        child = os.fork()
        if child:
            os.write(tell, f"{child}\n".encode())
        signal.pause()
    lock.release()
    child = int(os.read(told, 100))
    holder = ServerLock.open(path).holder
    assert holder.pid == main
    return main, child, holder.nonce


def test_a_lock_that_is_held_cannot_be_taken_and_says_by_whom(path):
    first, second = ServerLock.open(path), ServerLock.open(path)
    assert first.take()
    assert first.take()
    first.sign()

    assert not second.take()
    assert second.holder == Holder(os.getpid(), first.nonce)
    assert second.nonce != first.nonce
    assert not proves_dead(path, first.nonce)


def test_who_takes_it_learns_who_signed_it_last(path):
    first, second = ServerLock.open(path), ServerLock.open(path)
    first.take()
    first.sign()
    first.release()

    assert second.take()
    assert second.former == Holder(os.getpid(), first.nonce)
    second.sign()
    assert second.former.nonce == first.nonce
    assert second.holder.nonce == second.nonce


def test_a_death_is_proven_when_main_process_and_children_are_dead(path):
    main, child, nonce = hold(path)
    assert not proves_dead(path, nonce)

    os.kill(main, signal.SIGKILL)
    os.waitpid(main, 0)
    assert not proves_dead(path, nonce)

    os.kill(child, signal.SIGKILL)
    lock = ServerLock.open(path)
    while not lock.take():
        pass
    lock.release()
    assert proves_dead(path, nonce)


def test_a_copy_proves_nothing_about_who_signed_the_original(path, tmp_path):
    """Somebody copied a home while its server was running: nobody holds the lock of the copy, and the server lives."""
    lock, copied = ServerLock.open(path), tmp_path / "copied.lock"
    lock.take()
    lock.sign()
    shutil.copy2(path, copied)

    another = ServerLock.open(copied)
    assert another.take()
    assert another.former is None
    assert not proves_dead(copied, lock.nonce)


@pytest.mark.parametrize("content", [None, "", "4711", "4711 another\n", "x y z"])
def test_a_fresh_damaged_or_replaced_file_proves_nothing(path, content):
    if content is not None:
        path.parent.mkdir()
        path.write_text(content)

    assert not proves_dead(path, "nonce")


def test_files_of_two_servers_of_a_home_differ(tmp_path):
    assert lock_path(tmp_path, "web1:8851").name == "web1_8851.lock"
    assert lock_path(tmp_path, "web1:8852") != lock_path(tmp_path, "web1:8851")
