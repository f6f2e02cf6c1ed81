"""A guard against Celery 5.7.0, which gives a server up that could go on.

When it hears its queues for the first time it looks whether every worker process lives, and ends the server if one does not. That may
be minutes after they were forked, if Redis was away. A process that was killed until then is replaced like any other.
"""

from typing import Any

from celery.concurrency.prefork import TaskPool


def install() -> None:
    """Guard the pool of this process. Done before a worker starts; doing it twice changes nothing."""
    TaskPool.did_start_ok = _did_start_ok  # type: ignore[assignment,method-assign]


def _did_start_ok(_: Any) -> bool:
    # The event loop begins next, and its first turn finds out who has died.
    return True
