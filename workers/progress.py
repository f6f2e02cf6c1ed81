"""Telling Flower how far a batch is: from a thread of its own, for whoever tells works between two dots."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress

from celery import current_task

from mailq import telemetry
from mailq.clock import Clock

log = telemetry.logger(__name__)


class Progress:
    """Reports at most once a second, and never waits for a broker: while a report is not taken, later ones are dropped."""

    def __init__(self, clock: Clock, every_s: float = 1.0) -> None:
        self._clock = clock
        self._every_s = every_s
        self._next = 0.0
        self._reports: queue.Queue[Callable[[], None]] = queue.Queue(maxsize=1)
        self._thread = threading.Thread(target=self._send_on, name="progress", daemon=True)

    def report(self, text: str) -> None:
        """Send a task-progress event for the task that runs, unless one was sent just now."""
        now = self._clock.monotonic()
        if now < self._next or not current_task:
            return
        self._next = now + self._every_s
        # The thread has no current task: whose news it is, is found out here.
        app, uuid, hostname = current_task.app, current_task.request.id, current_task.request.hostname

        def send() -> None:
            with app.events.default_dispatcher(hostname=hostname) as dispatcher:
                dispatcher.send("task-progress", uuid=uuid, result=text)

        if self._thread.ident is None:
            self._thread.start()
        with suppress(queue.Full):
            self._reports.put_nowait(send)

    def _send_on(self) -> None:
        while True:
            send = self._reports.get()
            try:
                send()
            except Exception as error:  # noqa: BLE001 - whatever a broker does when it goes away, the next report is tried
                log.debug("progress.not_told", error=str(error))
