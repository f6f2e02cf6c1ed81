"""How a worker server starts and ends: a step that the pool requires, so it begins before the pool and ends after it has drained."""

import signal
import sys
from typing import Any

from celery import Celery, bootsteps, signals
from celery.worker import components

from mailq import settings, telemetry
from mailq.broker import names
from mailq.broker.doorbell import require_noeviction
from mailq.errors import MailqError, Misconfigured
from workers.membership import Membership
from workers.warden_process import WardenProcess

log = telemetry.logger(__name__)

_POOLS = {"celery.concurrency.prefork:TaskPool", "celery.concurrency.solo:TaskPool"}
_current: Membership | None = None
_warden: WardenProcess | None = None


def membership() -> Membership:
    """The server that this process belongs to.

    Raises:
        Misconfigured: no worker server was started in this process or its parent.
    """
    if _current is None:
        raise Misconfigured("no worker server runs in this process; start one with `mailqctl worker`")
    return _current


class MembershipStep(bootsteps.StartStopStep):
    """Joins the servers before the pool starts, and leaves them when it has stopped."""

    name = "mailq-membership"

    def start(self, worker: Any) -> None:
        """Join, or end the worker with one clear sentence."""
        try:
            self._start(worker)
        except MailqError as error:
            print(f"mailq: {error}", file=sys.stderr, flush=True)  # noqa: T201 - logs may go elsewhere
            raise SystemExit(error.exit_code) from None

    def _start(self, worker: Any) -> None:
        global _current, _warden  # noqa: PLW0603 - one server a process, inherited by its forks
        chosen = settings.load()
        _refuse_unfit_pool(worker)
        require_noeviction(settings.required(chosen.redis_url, "redis_url"))
        _current = Membership.join(chosen, slots(worker))
        _warden = WardenProcess(_current)
        _warden.start()

    def stop(self, worker: Any) -> None:
        """Leave: the pool has drained, nothing of ours is on the wire."""
        global _warden  # noqa: PLW0603
        if _warden is not None:
            _warden.stop()
            _warden = None
        if _current is None:
            return
        try:
            _current.leave()
        except MailqError as error:
            log.warning("server.stop_not_noted", error=str(error))

    def terminate(self, worker: Any) -> None:
        """As `stop`: the pool was cut short, and what it held is reclaimed at the next start."""
        self.stop(worker)


def slots(worker: Any) -> dict[str, int]:
    """Worker processes per lane: every process of a worker serves each of its queues."""
    consumed = set(worker.app.amqp.queues.consume_from)
    return {lane.value: worker.concurrency for lane, queue in names.QUEUES.items() if queue in consumed}


def install(app: Celery) -> None:
    """Hang mailq's step and signal handlers on a Celery app."""
    app.steps["worker"].add(MembershipStep)
    # Steps stop in reverse: one that requires the pool would be stopped before the pool has drained.
    required: Any = components.Pool.requires
    components.Pool.requires = (*required, MembershipStep)
    signals.worker_shutting_down.connect(_begin_nothing_new)
    signals.worker_process_init.connect(_ignore_the_groups_signals)
    signals.setup_logging.connect(_log_our_way)
    signals.heartbeat_sent.connect(_show_life)


def _log_our_way(**_: Any) -> None:
    chosen = settings.load()
    telemetry.configure(chosen.log, chosen.log_level)


def _begin_nothing_new(**_: Any) -> None:
    if _current is not None:
        _current.board.say_stop()


def _show_life(**_: Any) -> None:
    if _current is not None:
        _current.board.show_life()
    if _warden is not None:
        _warden.ensure()


def _ignore_the_groups_signals(**_: Any) -> None:
    # SIGTERM and Ctrl-C reach the whole process group; the main process decides, and says it on the board.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _refuse_unfit_pool(worker: Any) -> None:
    pool = f"{worker.pool_cls.__module__}:{worker.pool_cls.__name__}"
    if pool not in _POOLS:
        raise Misconfigured(
            f"pool {worker.pool_cls.__name__} of {worker.pool_cls.__module__} does not fit: a batch needs a process; use prefork"
        )
