"""Worker servers as nodes of pytest-celery, with leases so short that a test sees their end."""

import pytest

from tests.support.nodes.fixtures import *  # noqa: F403

BRISK = {"lease__heartbeat": "400ms", "lease__margin": "200ms"}


@pytest.fixture
def start_brisk(start_server):
    """Starts servers as `start_server` does, which renew often; their lease outlasts the start of a warden on a busy machine."""
    return lambda *words, **changes: start_server(*words, **{**BRISK, "lease__ttl": "10s", **changes})


@pytest.fixture
def start_short(start_server):
    """Starts servers whose lease lasts two seconds; it may run out while a warden is just starting."""
    return lambda *words, **changes: start_server(*words, **{**BRISK, "lease__ttl": "2s", **changes})
