"""A warden ends worker processes of its own server, and nobody else."""

import os
import signal
import subprocess
import sys

import pytest

from workers import children


@pytest.fixture
def child():
    """A process that waits for a signal for ever."""
    started = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    yield started
    started.kill()
    started.wait()


def test_a_child_is_killed_though_it_is_stopped(child):
    child.send_signal(signal.SIGSTOP)
    assert children.kill(child.pid, parent_pid=os.getpid())
    assert child.wait(5) == -signal.SIGKILL


def test_a_process_of_somebody_else_is_left_alone(child):
    assert not children.kill(child.pid, parent_pid=os.getppid())
    assert child.poll() is None


def test_one_that_has_ended_is_dead(child):
    child.kill()
    child.wait()
    assert children.kill(child.pid, parent_pid=os.getpid())
