"""The client that a process keeps."""

import threading
from concurrent.futures import ThreadPoolExecutor

from mailq.contrib import kept
from mailq.contrib.kept import Entrance
from tests.support.forks import in_a_forked_child

HTTP = Entrance("https://mailq.example", "mq_live_x")


class Slow(Entrance):
    """Takes its time to connect, in the process that made it."""

    begun = threading.Event()
    go_on = threading.Event()

    def connect(self):
        """While a fork happens."""
        self.begun.set()
        self.go_on.wait()
        return super().connect()


class Meeting(Entrance):
    """Connects when another thread does."""

    both = threading.Barrier(2, timeout=10)

    def connect(self):
        """Together."""
        self.both.wait()
        return super().connect()


def test_a_door_has_one_client_in_a_process():
    """Whoever asks, and each door its own."""
    assert kept.client(HTTP) is kept.client(Entrance("https://mailq.example", "mq_live_x"))
    assert kept.client(HTTP) is not kept.client(Entrance("https://mailq.example", "mq_live_y"))


def test_a_child_forked_while_another_thread_connects_does_not_wait_for_that():
    """The thread is not there to end it."""
    slow = Slow("https://mailq.example", "mq_live_z")
    connecting = threading.Thread(target=kept.client, args=(slow,), daemon=True)
    connecting.start()
    slow.begun.wait()

    assert in_a_forked_child(lambda: kept.client(HTTP) is kept.client(HTTP))
    slow.go_on.set()
    connecting.join()


def test_threads_that_ask_at_the_same_time_have_the_same_client():
    """Though each has made one."""
    door = Meeting("https://mailq.example", "mq_live_w")

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(kept.client, [door, door])

    assert first is second
