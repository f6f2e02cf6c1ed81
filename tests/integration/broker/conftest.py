"""The broker node, which these tests flush, freeze and kill."""

import pytest

from mailq.broker.doorbell import CeleryDoorbell
from tests.support.nodes.broker import Broker
from tests.support.nodes.fixtures import broker, broker_node, docker_redis, node_home

__all__ = ["broker", "broker_node", "docker_redis", "node_home"]


@pytest.fixture
def doorbell(broker: Broker) -> CeleryDoorbell:
    """What rings."""
    return CeleryDoorbell(broker.url)
