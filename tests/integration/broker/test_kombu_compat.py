"""The guard against kombu 5.7.0, and proof that it is still needed."""

import pytest
import redis
from kombu import Connection, Exchange, Queue
from kombu.transport import redis as transport
from redis.connection import AbstractConnection

from mailq.broker import kombu_compat
from mailq.broker.doorbell import connect

QUEUE = Queue("guard", Exchange("guard", type="direct"), routing_key="guard")
CONTROL = Queue("control", Exchange("control", type="direct"), routing_key="control")


@pytest.fixture
def unguarded(monkeypatch):
    """kombu as it comes."""
    monkeypatch.setattr(transport.Channel, "_connparams", kombu_compat._original)


@pytest.fixture
def guarded(monkeypatch, unguarded):
    """kombu with the guard, whatever was installed before."""
    kombu_compat.install()


@pytest.fixture
def bereft(broker):
    """A connection as a busy worker has it after Redis went away: one message not acknowledged, the next one waited for, collected."""
    connection = Connection(broker.url)
    channel = connection.default_channel
    heard: list[object] = []
    connection.Consumer([QUEUE], channel=channel, on_message=heard.append).consume()
    # A worker listens for remote control on a second channel.
    connection.Consumer([CONTROL], channel=connection.channel(), on_message=heard.append).consume()
    connection.Producer(channel).publish("ring", exchange=QUEUE.exchange, routing_key=QUEUE.routing_key)
    connection.drain_events(timeout=5)
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=0.1)
    assert heard
    broker.stop()
    connection.collect()
    yield connection
    # What was not acknowledged would be restored when this process ends.
    channel.qos._on_collect.cancel()


def test_without_the_guard_a_worker_meets_an_error_that_no_handler_knows(unguarded, bereft):
    """Celery closes the connection next, and exits. When this fails kombu has been mended: remove `mailq.broker.kombu_compat`."""
    with pytest.raises(AttributeError, match="hostname"):
        bereft.close()


def test_with_the_guard_it_is_a_lost_connection_like_any_other(guarded, bereft):
    """Which closing a connection does not mind; the consumer connects again."""
    bereft.close()


def test_a_channel_that_is_well_is_not_touched(guarded, broker):
    """The guard speaks only for the dead."""
    with Connection(broker.url) as connection:
        channel = connection.channel()
        QUEUE(channel).declare()
        connection.Producer(channel).publish("ring", exchange=QUEUE.exchange, routing_key=QUEUE.routing_key)
        message = QUEUE(channel).get()
        assert message is not None
        message.ack()
        channel.close()


def test_whoever_makes_an_app_or_a_doorbell_has_the_guard(unguarded, broker):
    """It must be in place before a channel is used."""
    from mailq.broker.doorbell import CeleryDoorbell

    CeleryDoorbell(broker.url)

    assert transport.Channel._connparams is kombu_compat._connparams


def test_a_broker_that_is_given_up_is_not_waited_for(monkeypatch, broker):
    """Neither by an open connection nor by a new one; whoever asks has lost a connection like any other."""
    client = connect(broker.url)
    client.ping()
    for asking in kombu_compat.ASKING:
        monkeypatch.setattr(AbstractConnection, asking, getattr(AbstractConnection, asking))

    kombu_compat.give_up()

    for asked in (client, connect(broker.url)):
        with pytest.raises(redis.exceptions.ConnectionError, match="given up"):
            asked.ping()
