"""Tasks are doorbells: a docstring and one call. Their arguments are ids; what they return is a line for a watcher."""

from celery import shared_task

from mailq.broker import names
from workers.parts import parts


@shared_task(name=names.SEND_BATCH)
def send_batch(batch_id: int) -> str:
    """Work one batch. The message says "look"; the lease in Postgres says who may."""
    return parts().executor.work(batch_id)


@shared_task(name=names.RESTART)
def restart() -> str:
    """Take over what former incarnations of this server left leased, and the servers on its migration list that are not alive."""
    return parts().take_over()
