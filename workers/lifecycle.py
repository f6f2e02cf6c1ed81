"""How a worker server starts and ends: a step that the pool requires, so it begins before the pool and ends after it has drained."""

import signal
import sys
from typing import Any

from billiard.exceptions import WorkerLostError
from celery import Celery, bootsteps, signals
from celery.worker import components

from mailq import settings, telemetry
from mailq.broker import names
from mailq.broker.doorbell import require_noeviction
from mailq.errors import MailqError, Misconfigured
from workers import lifeline, steadiness
from workers.membership import Membership
from workers.parting import Parting
from workers.pulse import Pulse
from workers.warden_process import WardenProcess

log = telemetry.logger(__name__)

_POOL = "celery.concurrency.prefork:TaskPool"
_INTERRUPTED = 130
_current: Membership | None = None
_warden: WardenProcess | None = None
_pulse: Pulse | None = None
_interrupted = False


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
        global _current, _warden, _pulse  # noqa: PLW0603 - one server a process, inherited by its forks
        chosen = settings.load()
        _refuse_unfit_pool(worker)
        redis_url = settings.required(chosen.redis_url, "redis_url")
        require_noeviction(redis_url)
        _current = Membership.join(chosen, slots(worker))
        _warden = WardenProcess(_current)
        _warden.start()
        _pulse = Pulse(_current, _warden, Parting(redis_url, chosen.stop_grace, lambda: _living(worker)))
        _pulse.start()
        # The lease is renewed meanwhile, and nothing is consumed before it is done.
        _current.take_over()

    def stop(self, worker: Any) -> None:
        """Leave: the pool has drained, nothing of ours is on the wire."""
        if _warden is not None:
            _warden.stop()
        if _pulse is not None:
            _pulse.stop()
        if _interrupted:
            # Celery would end with 1; whoever pressed Ctrl-C knows the shell's word for it.
            worker.exitcode = _INTERRUPTED
        if _current is None:
            return
        try:
            _current.leave()
        except MailqError as error:
            log.warning("server.stop_not_noted", error=str(error))

    def terminate(self, worker: Any) -> None:
        """As `stop`: the pool was cut short, and what it held is reclaimed at the next start."""
        self.stop(worker)


def _living(worker: Any) -> list[int]:
    """The worker processes, as far as nobody has seen their end."""
    pool = worker.pool and worker.pool._pool  # noqa: SLF001 - Celery shows them only while the pool runs
    return [process.pid for process in list(pool._pool)] if pool else []  # noqa: SLF001


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
    steadiness.install()
    signals.worker_shutting_down.connect(_begin_nothing_new)
    signals.worker_process_init.connect(_belong_to_the_main_process)
    signals.task_failure.connect(_tell_of_a_lost_process)
    signals.setup_logging.connect(_log_our_way)


def _log_our_way(**_: Any) -> None:
    chosen = settings.load()
    telemetry.configure(chosen.log, chosen.log_level)


def _begin_nothing_new(sig: str = "", **_: Any) -> None:
    """In the handler of SIGTERM or Ctrl-C; a second one changes nothing."""
    global _interrupted  # noqa: PLW0603
    _interrupted = _interrupted or sig == "SIGINT"
    if _current is not None:
        _current.board.say_stop()
    if _pulse is not None:
        _pulse.server_is_ending()
    if _warden is not None:
        _warden.nudge()


def _tell_of_a_lost_process(exception: BaseException | None = None, **_: Any) -> None:
    """Celery tells the main process at once when a worker process has died; the warden need not wait for its next look."""
    if isinstance(exception, WorkerLostError) and _warden is not None:
        _warden.nudge()


def _belong_to_the_main_process(**_: Any) -> None:
    # SIGTERM and Ctrl-C reach the whole process group; the main process decides, and says it on the board.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if _current is not None:
        lifeline.die_with(_current.main_pid)


def _refuse_unfit_pool(worker: Any) -> None:
    pool = f"{worker.pool_cls.__module__}:{worker.pool_cls.__name__}"
    if pool != _POOL:
        raise Misconfigured(
            f"pool {worker.pool_cls.__name__} of {worker.pool_cls.__module__} does not fit: a batch needs a process of its own that "
            "can be watched and killed; use prefork"
        )
