"""The working parts of a worker process, wired when its first task needs them: nothing of the parent's is shared by fork."""

import gc
import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from celery import signals

from mailq import bootstrap
from mailq.clock import Clock
from mailq.engine.executor import Executor, Memory
from mailq.engine.takeover import Takeover
from workers import lifecycle
from workers.progress import Progress


@dataclass(frozen=True, slots=True)
class Parts:
    """What the tasks call."""

    executor: Executor
    takeover: Takeover

    def take_over(self) -> str:
        """Take over what former incarnations of this server left leased, and the servers on its migration list that are not alive."""
        incarnation = lifecycle.membership().incarnation
        former, others = self.takeover.former_incarnations(incarnation), self.takeover.listed(incarnation)
        return f"reclaimed {former} batches of former incarnations and {others} of other servers"


def parts() -> Parts:
    """This process's parts."""
    return _of_process(os.getpid())


@lru_cache(maxsize=1)
def _of_process(pid: int) -> Parts:
    membership = lifecycle.membership()
    database = bootstrap.server_database(membership.settings, application=f"mailq worker {pid}")
    books = bootstrap.kept_connection(database)
    dispatcher = bootstrap.dispatcher(membership.settings, books)
    guard = bootstrap.guard(membership.settings, books)
    executor = bootstrap.executor(
        membership.settings,
        database,
        books=books,
        owner=lambda: membership.owner,
        may_send=membership.may_send,
        memory=Memory(claimed=guard.claimed, forgotten=guard.forgotten, life=guard.life),
        stopping=lambda: membership.board.says_stop,
        dispatcher=dispatcher,
        progress=Progress(Clock()).report,
    )
    takeover = bootstrap.takeover(
        membership.settings,
        database,
        server_id=membership.server_id,
        restarter=bootstrap.restarter(membership.settings, database),
        dispatcher=dispatcher,
    )
    # What is there now stays as long as the process: no collection of garbage need look through it again.
    gc.collect()
    gc.freeze()
    return Parts(executor, takeover)


@signals.worker_process_shutdown.connect
def end_sessions(**_: Any) -> None:
    """Say goodbye to the relay when a worker process ends."""
    if _of_process.cache_info().currsize:
        parts().executor.close()
