"""Telling Flower how far a batch is must never cost the batch."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from kombu.exceptions import OperationalError

from mailq.clock import Clock
from tests.support.waiting import eventually
from workers import progress

Send = Callable[..., None]


@pytest.fixture
def work_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[Send], None]:
    """Makes a task the current one, whose events are sent by a function."""

    def work_on(send: Send) -> None:
        @contextmanager
        def dispatcher(hostname: str) -> Iterator[object]:
            yield SimpleNamespace(send=send)

        app = SimpleNamespace(events=SimpleNamespace(default_dispatcher=dispatcher))
        request = SimpleNamespace(id="17", hostname="bulk@web1")
        monkeypatch.setattr(progress, "current_task", SimpleNamespace(app=app, request=request))

    return work_on


def test_a_report_reaches_whoever_watches_the_task(work_on: Callable[[Send], None]) -> None:
    told: list[tuple[str, dict[str, object]]] = []
    work_on(lambda kind, **fields: told.append((kind, fields)))

    progress.Progress(Clock()).report("batch 1/3")

    assert eventually(lambda: told) == [("task-progress", {"uuid": "17", "result": "batch 1/3"})]


def test_a_broker_that_is_away_ends_neither_a_batch_nor_the_reports(work_on: Callable[[Send], None]) -> None:
    tried = []

    def refuse(_: str, *, result: str, **__: object) -> None:
        tried.append(result)
        raise OperationalError("Connection closed by server.")

    work_on(refuse)
    reports = progress.Progress(Clock(), every_s=0)

    reports.report("batch 1/3")
    eventually(lambda: tried == ["batch 1/3"])
    reports.report("batch 2/3")
    eventually(lambda: tried == ["batch 1/3", "batch 2/3"])


def test_a_broker_that_says_nothing_keeps_no_batch_waiting(work_on: Callable[[Send], None]) -> None:
    """The first report hangs until long after the last was made; one more waited for it, and the others are nobody's news."""
    asked, answer = threading.Event(), threading.Event()
    told = []

    def hang(_: str, *, result: str, **__: object) -> None:
        asked.set()
        assert answer.wait(10)
        told.append(result)

    work_on(hang)
    reports = progress.Progress(Clock(), every_s=0)
    reports.report("0")
    assert asked.wait(10)

    for number in range(1, 100):
        reports.report(str(number))
    assert not told
    answer.set()

    eventually(lambda: told == ["0", "1"])
