"""Rings over real Redis: on the right queue, readable for a watcher, and refused in seconds when nobody answers."""

import base64
import json
import signal
import time

import pytest

from mailq.broker import names
from mailq.broker.doorbell import CeleryDoorbell, require_noeviction
from mailq.core.mailing import Lane
from mailq.engine.ports import Ring
from mailq.errors import Misconfigured, Unavailable
from mailq.local import ports

LABEL = "mailing='the sale' batch=3/120"


@pytest.mark.parametrize("lane", list(Lane))
def test_a_ring_lies_on_its_lanes_queue_and_on_no_other(doorbell, broker, lane):
    """Were all queues bound to one key, every worker would hear every ring."""
    doorbell.ring([Ring(7, lane, LABEL)])

    assert {name: len(broker.queue(name)) for name in names.EVERY_QUEUE} == {
        name: int(name == f"mailq.{lane}") for name in names.EVERY_QUEUE
    }


def test_a_ring_carries_the_batch_id_and_words_for_flower(doorbell, broker):
    """The argument is the id alone; the label is what a watcher reads instead of it."""
    doorbell.ring([Ring(7, Lane.BULK, LABEL)])

    (message,) = map(json.loads, broker.queue("mailq.bulk"))
    assert message["headers"]["task"] == names.SEND_BATCH
    assert message["headers"]["argsrepr"] == LABEL
    assert message["content-type"] == "application/json"
    args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    assert (args, kwargs) == ([7], {})


def test_a_ring_has_no_time_of_its_own(doorbell, broker):
    """On Redis an ETA runs again after the visibility timeout: the time of a retry is in Postgres."""
    doorbell.ring([Ring(7, Lane.BULK, LABEL)])

    (message,) = map(json.loads, broker.queue("mailq.bulk"))
    assert message["headers"]["eta"] is None
    assert message["headers"]["expires"] is None


def test_rings_are_heard_in_their_order(doorbell, broker):
    """The dispatcher's fair order is the order of the queue."""
    doorbell.ring([Ring(number, Lane.BULK, LABEL) for number in range(5)])

    bodies = [json.loads(base64.b64decode(json.loads(message)["body"])) for message in broker.queue("mailq.bulk")]
    assert [args for args, _, _ in bodies] == [[number] for number in range(5)]


def test_a_doorbell_rings_on_after_a_flush(doorbell, broker):
    """What it had declared is gone from Redis, though it believes otherwise."""
    doorbell.ring([Ring(1, Lane.BULK, LABEL)])
    broker.flush()

    doorbell.ring([Ring(2, Lane.BULK, LABEL)])

    assert len(broker.queue("mailq.bulk")) == 1


def test_a_doorbell_rings_on_after_a_restart_of_redis(doorbell, broker):
    """The connection of its pool is dead then, and nobody has told it."""
    doorbell.ring([Ring(1, Lane.BULK, LABEL)])
    broker.stop()
    broker.start()

    doorbell.ring([Ring(2, Lane.BULK, LABEL)])

    assert len(broker.queue("mailq.bulk")) == 1


def test_the_generation_stays_until_a_flush_and_is_another_one_then(doorbell, broker):
    """Whoever asks: the name is the data's, not the client's."""
    first = doorbell.generation()
    assert CeleryDoorbell(broker.url).generation() == doorbell.generation() == first

    broker.flush()

    assert doorbell.generation() != first


def test_the_generation_is_another_one_after_a_restart_without_persistence(doorbell, broker):
    """What was in memory is gone, and the rings with it."""
    first = doorbell.generation()

    broker.stop()
    broker.start()

    assert doorbell.generation() != first


@pytest.mark.parametrize(
    "ask", [lambda bell: bell.ring([Ring(1, Lane.BULK, LABEL)]), lambda bell: bell.generation()], ids=["ring", "generation"]
)
def test_a_broker_that_is_down_is_said_within_five_seconds_and_without_its_password(ask):
    """Whoever submits a mailing does not wait: upkeep rings again."""
    bell = CeleryDoorbell(f"redis://user:secret@{ports.HOST}:{ports.free()}/0")
    asked_at = time.monotonic()

    with pytest.raises(Unavailable) as caught:
        ask(bell)

    assert time.monotonic() - asked_at < 5
    assert f"@{ports.HOST}:" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "ask", [lambda bell: bell.ring([Ring(1, Lane.BULK, LABEL)]), lambda bell: bell.generation()], ids=["ring", "generation"]
)
def test_a_frozen_broker_is_given_up_after_seconds(broker, ask):
    """It takes connections and says nothing, as behind a firewall that has forgotten us."""
    bell = CeleryDoorbell(broker.url)
    broker.kill(signal.SIGSTOP)
    try:
        asked_at = time.monotonic()
        with pytest.raises(Unavailable):
            ask(bell)
        assert time.monotonic() - asked_at < 10
    finally:
        broker.kill(signal.SIGCONT)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_broker_that_evicts_is_refused(broker, policy):
    """It would drop rings without a word."""
    require_noeviction(broker.url)
    broker.redis.config_set("maxmemory-policy", policy)
    try:
        with pytest.raises(Misconfigured, match=policy):
            require_noeviction(broker.url)
    finally:
        broker.redis.config_set("maxmemory-policy", "noeviction")


def test_a_broker_without_room_refuses_rings_aloud(doorbell, broker):
    """`noeviction` at its limit: the ring fails, and the batch stays ready in Postgres."""
    doorbell.ring([Ring(1, Lane.BULK, LABEL)])
    broker.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable):
            doorbell.ring([Ring(2, Lane.BULK, LABEL)])
    finally:
        broker.redis.config_set("maxmemory", 0)
