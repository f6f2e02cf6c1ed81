"""The client that a process keeps."""

import os

from mailq.contrib import kept
from mailq.contrib.kept import Entrance

HTTP = Entrance("https://mailq.example", "mq_live_x")


def test_a_door_has_one_client_in_a_process():
    """Whoever asks, and each door its own."""
    assert kept.client(HTTP) is kept.client(Entrance("https://mailq.example", "mq_live_x"))
    assert kept.client(HTTP) is not kept.client(Entrance("https://mailq.example", "mq_live_y"))


def test_a_forked_child_has_a_client_of_its_own(monkeypatch):
    """An HTTP connection of its parent's would answer both of them."""
    mine = kept.client(HTTP)
    monkeypatch.setattr(os, "getpid", lambda: -1)

    assert kept.client(HTTP) is not mine
