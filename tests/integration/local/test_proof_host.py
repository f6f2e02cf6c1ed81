"""The servers of the proof, and what counts as an end of one by itself."""

import os
import signal

import pytest

from mailq.core.mailing import Lane
from mailq.local import ports
from mailq.local.proof.host import Host
from mailq.local.supervisor import Supervisor, bare_environment
from tests.support.waiting import eventually


@pytest.fixture
def host(tmp_path):
    """A server whose Redis and database do not answer."""
    supervisor = Supervisor(tmp_path / "log")
    nowhere = f"{ports.HOST}:{ports.free()}"
    urls = {"REDIS": f"redis://{nowhere}/0", "DATABASE": f"postgresql://mailq@{nowhere}/mailq", "RELAY": f"smtp://{nowhere}"}
    env = {**bare_environment(), **{f"MAILQ_{name}_URL": url for name, url in urls.items()}}
    made = Host("one", tmp_path / "home", supervisor, env, None, processes=1, lanes=[Lane.BULK])
    made.start()
    yield made
    made.kill()
    supervisor.stop()


def test_a_server_that_cannot_start_without_its_services_has_not_ended_by_itself(host):
    """A service manager starts it again until they are back."""
    eventually(lambda: not host.up, within=30)
    host.mind()
    assert (host.num_kept_out, host.num_ended) == (1, 0)


def test_a_server_that_somebody_killed_is_one_that_ended_by_itself(host):
    """It is started again as well, and counted."""
    first = host.child
    os.killpg(first.pid, signal.SIGKILL)
    eventually(lambda: not host.up)
    host.mind()
    assert (host.num_kept_out, host.num_ended) == (0, 1)

    eventually(lambda: host.mind() or host.up)
    assert host.child is not first
