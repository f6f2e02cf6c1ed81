"""The settings that keep a doorbell a doorbell; each one is here because another value has cost mail or a worker."""

import ast
from pathlib import Path

import pytest
from celery import Celery

import mailq
from mailq.broker import names
from mailq.broker.config import celery_settings

ROOT = Path(mailq.__file__).parents[1]
# `import workers` would make the app, and that needs a broker.
SOURCES = [path for package in ("mailq", "workers") for path in (ROOT / package).rglob("*.py")]
TIMES = {"countdown", "eta"}


@pytest.fixture
def conf():
    """The settings as Celery reads them."""
    app = Celery("settings", set_as_current=False)
    app.conf.update(celery_settings("redis://127.0.0.1:6379/0"))
    return app.conf


def test_messages_are_json_and_nothing_else_is_read(conf):
    """Whoever can write to Redis must not run code in a worker."""
    assert (conf.task_serializer, conf.accept_content) == ("json", ["json"])


def test_messages_are_acknowledged_early_and_never_given_back(conf):
    """The lease in Postgres is the acknowledgement; late on Redis a task runs again after every dropped connection."""
    assert not conf.task_acks_late
    assert not conf.task_reject_on_worker_lost
    assert not conf.worker_cancel_long_running_tasks_on_connection_loss


def test_there_is_no_result_backend(conf):
    """With one on Redis, publishing subscribes, and hangs when Redis does."""
    assert conf.result_backend is None
    assert conf.task_ignore_result


def test_a_busy_worker_takes_no_message_from_the_others(conf):
    """Nothing is prefetched, so nothing waits in a worker that dies."""
    assert conf.worker_disable_prefetch
    assert conf.worker_prefetch_multiplier == 1


def test_no_task_is_killed_for_taking_long(conf):
    """It may be waiting for the reply to a dot; the executor hands a batch back by itself."""
    assert conf.task_time_limit is None
    assert conf.task_soft_time_limit is None


def test_a_producer_gives_a_silent_broker_up(conf):
    """kombu's own default is to wait for ever."""
    options = conf.broker_transport_options
    assert 0 < options["socket_connect_timeout"] <= 5
    assert 0 < options["socket_timeout"] <= 10
    assert conf.task_publish_retry_policy["max_retries"] <= 2


def test_what_is_not_prioritised_does_not_outrank_what_is(conf):
    """0 is the highest priority on Redis, and what a message without one gets."""
    assert conf.task_default_priority == 6


def test_every_queue_has_an_exchange_and_a_key_of_its_own(conf):
    """With Celery's defaults a message for one queue would reach all of them."""
    bindings = {queue.name: (queue.exchange.name, queue.exchange.type, queue.routing_key) for queue in conf.task_queues}
    assert bindings == {name: (name, "direct", name) for name in names.EVERY_QUEUE}


def test_no_queue_name_has_a_colon():
    """kombu splits a queue's key there when priorities are in use with `sep=':'`."""
    assert not [name for name in names.EVERY_QUEUE if ":" in name]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_in_the_source_gives_a_task_a_time(path):
    """On Redis a task with an ETA runs again after the visibility timeout. The time of a retry is `due_at` in Postgres."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    found = [(node.lineno, keyword.arg) for node in calls for keyword in node.keywords if keyword.arg in TIMES]
    assert not found


def test_the_search_for_times_finds_them():
    """A test of the test: it reads some files, and an ETA would be seen."""
    assert len(SOURCES) > 50
    call = ast.parse("task.apply_async(countdown=3)").body[0].value  # type: ignore[attr-defined]
    assert {keyword.arg for keyword in call.keywords} & TIMES
