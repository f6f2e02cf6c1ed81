"""Telling Flower how far a batch is must never cost the batch."""

from types import SimpleNamespace

import pytest
from kombu.exceptions import OperationalError

from mailq.clock import Clock
from workers import parts


def test_a_broker_that_is_away_does_not_end_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("Connection closed by server.")

    monkeypatch.setattr(parts, "current_task", SimpleNamespace(send_event=refuse))

    parts.Progress(Clock()).report("batch 1/3")
