"""The end of a server, watched from a thread of its own: nothing that says nothing may keep it.

Celery asks Redis for a dozen things while it stops, one after another, and waits for each answer. A worker process may wait for a
database whose machine stands still. What they leave undone is done without them: the journals know what was sent, and leases run out.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta

import redis

from mailq import telemetry
from mailq.broker import kombu_compat
from mailq.broker.doorbell import connect
from mailq.errors import Unavailable

log = telemetry.logger(__name__)

LOOK_EVERY_S = 1.0
SETTLE_WITHIN_S = 4.0
"""How much longer than the stop grace a worker process may take: to write down what came back, and to hand its batch back."""
LEAVE_WITHIN_S = 10.0
"""How long the main process may take after its worker processes have ended."""


class Parting:
    """Gives up, each in its time: the broker, the worker processes, and at last the main process."""

    def __init__(self, redis_url: str, stop_grace: timedelta, workers: Callable[[], Iterable[int]]) -> None:
        """What may keep the server.

        Args:
            workers: the pids of the worker processes that have not ended.
        """
        self._redis = connect(redis_url)
        self._patience_s = stop_grace.total_seconds() + SETTLE_WITHIN_S
        self._workers = workers
        self._gave_broker_up = False
        self._thread = threading.Thread(target=self._run, name="parting", daemon=True)

    def begin(self) -> None:
        """The server is ending. Said again, it changes nothing."""
        if self._thread.ident is None:
            self._thread.start()

    def _run(self) -> None:
        began_s = time.monotonic()
        while (waited_s := time.monotonic() - began_s) < self._patience_s + LEAVE_WITHIN_S:
            if not self._gave_broker_up and not self._broker_answers():
                self._gave_broker_up = True
                kombu_compat.give_up()
            if waited_s >= self._patience_s:
                self._kill_workers()
            time.sleep(LOOK_EVERY_S)
        log.error("server.ends_without_leave", waited_s=round(waited_s), exit_code=Unavailable.exit_code)
        sys.stderr.flush()
        os._exit(Unavailable.exit_code)

    def _broker_answers(self) -> bool:
        try:
            self._redis.ping()
        except redis.exceptions.RedisError as error:
            log.warning("server.gives_broker_up", error=str(error))
            return False
        return True

    def _kill_workers(self) -> None:
        for pid in self._workers():
            log.error("server.gives_worker_up", pid=pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
