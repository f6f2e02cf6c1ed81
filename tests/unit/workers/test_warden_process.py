"""The main process's patience with a new warden grows, so that a starved machine gets one in the end."""

import subprocess
from types import SimpleNamespace

import pytest

from workers import warden_process
from workers.signboard import boottime_s
from workers.warden_process import BOOTS_WITHIN_S, WardenProcess


class Sleeping(WardenProcess):
    """Its wardens never come up."""

    started = 0

    def start(self):
        """Start one, as if just now."""
        self.started += 1
        self._started_s = boottime_s()
        self._process = subprocess.Popen(["sleep", "60"], stdin=subprocess.PIPE)

    def wait_for(self, seconds):
        """As if it had been started so long ago."""
        self._started_s = boottime_s() - seconds
        self.ensure()


@pytest.fixture
def warden():
    board = SimpleNamespace(warden_seen_s=0.0)
    made = Sleeping(SimpleNamespace(board=board, settings=SimpleNamespace()))
    made.start()
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _brief_goodbye(monkeypatch):
    monkeypatch.setattr(warden_process, "STOP_WITHIN_S", 0)


def test_a_warden_that_does_not_come_up_is_replaced_and_the_next_gets_twice_as_long(warden):
    warden.wait_for(BOOTS_WITHIN_S - 5)
    assert warden.started == 1
    warden.wait_for(BOOTS_WITHIN_S + 1)
    assert warden.started == 2
    warden.wait_for(2 * BOOTS_WITHIN_S - 5)
    assert warden.started == 2
    warden.wait_for(2 * BOOTS_WITHIN_S + 1)
    assert warden.started == 3
