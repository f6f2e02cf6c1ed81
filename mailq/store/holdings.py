"""Who holds what: the batches that are leased to the worker processes of a server."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from mailq.core.batch import State
from mailq.store.tables import batch, server


class Holding(NamedTuple):
    """A leased batch as a watch sees it: equal to the one seen before, if its process has settled nothing since.

    Attributes:
        process: the worker process, `<server>#<incarnation>/<pid>`.
        journal: the nonce of its journal.
        home, boot_id: where its server keeps the journals, and since which boot of the host.
    """

    batch_id: int
    fence: int
    incarnation: int
    process: str
    progressed_at: datetime | None
    journal: str | None
    home: str | None
    boot_id: str | None

    @property
    def pid(self) -> int:
        """Of the worker process, on its host."""
        return int(self.process.rpartition("/")[2])


def of_server(tx: Connection, server_id: int) -> Sequence[Holding]:
    """What the worker processes of a server hold, of this incarnation and of former ones."""
    columns = (batch.c.id, batch.c.fence, batch.c.incarnation, batch.c.owner, batch.c.progressed_at, batch.c.journal)
    mine = select(*columns, server.c.home, server.c.boot_id).join(server, server.c.id == batch.c.server_id)
    rows = tx.execute(mine.where(batch.c.server_id == server_id, batch.c.state == State.LEASED).order_by(batch.c.id))
    return [Holding(*row) for row in rows]


def number(tx: Connection, server_id: int, *, until_incarnation: int) -> int:
    """How many batches are leased to a server by an incarnation and those before it."""
    theirs = (batch.c.server_id == server_id, batch.c.incarnation <= until_incarnation, batch.c.state == State.LEASED)
    return int(tx.execute(select(func.count()).where(*theirs)).scalar_one())


def num_in_doubt(tx: Connection, batch_ids: Collection[int]) -> int:
    """How many deliveries of these batches are in doubt."""
    total = select(func.coalesce(func.sum(batch.c.num_in_doubt), 0)).where(batch.c.id.in_(batch_ids))
    return int(tx.execute(total).scalar_one())
