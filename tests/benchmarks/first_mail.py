"""How long after a submit its first mail is accepted by the relay, with an idle worker server: by the sink's own list."""

from pathlib import Path
from statistics import median
from typing import Any

from mailq import bootstrap
from mailq.clock import utc_now
from mailq.core.mailing import Lane
from mailq.engine import producer
from mailq.engine.intake import open_source
from mailq.local.sinks import SinkOptions, SinkProcess, start_sink
from tests.benchmarks import end_to_end, recipients
from tests.benchmarks.ground import Ground

_RECIPIENTS = 1000
_DEADLINE_S = 60


def measure(ground: Ground) -> dict[str, Any]:
    """Submit small mailings one after the other; the median of what their first mails took after the submit returned."""
    path = ground.directory / "first.csv"
    recipients.write(path, _RECIPIENTS)
    sink = start_sink(
        ground.running.supervisor, ground.directory, SinkOptions(maildir=False, directory=ground.directory / "first-sink")
    )
    try:
        with end_to_end.worker_server(ground, sink.url, sink.child.pid):
            waits = [_wait_s(ground, sink, path, number) for number in range(ground.sizes.submits)]
    finally:
        ground.running.stop(sink.child)
    return {"first_mail": {"seconds": round(median(waits), 3), "runs": [round(wait, 3) for wait in waits]}}


def _wait_s(ground: Ground, sink: SinkProcess, path: Path, number: int) -> float:
    order = producer.MailingOrder("Benchmark", recipients.CONTENT, key=f"first{number}")
    with open_source(path) as source:
        submitted = producer.submit(ground.database, order, source)
    returned_at = utc_now()
    # Ringing comes after the submit, and so it counts.
    bootstrap.dispatcher(ground.settings, ground.database).top_up(Lane.BULK)
    ground.until_finished(submitted.public_id, within_s=_DEADLINE_S)
    first_at = min(entry.at for entry in list(sink.accepted())[number * _RECIPIENTS :])
    return (first_at - returned_at).total_seconds()
