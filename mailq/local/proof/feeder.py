"""Mailings submitted one after another, so that something is always on the wire."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from mailq.core.mailing import DoubtPolicy
from mailq.core.message import Content
from mailq.engine import producer
from mailq.engine.intake import open_source
from mailq.errors import Unavailable
from mailq.store import mailings
from mailq.store.database import Database
from mailq.store.tables import batch

_BATCH_SIZE = 100
_CONTENT = Content(subject="Hello {{ name }}", sender="Shop <shop@mailq.example>", text="Dear {{ name }},\n\n.the sale begins.\n")


@dataclass(frozen=True)
class Given:
    """One mailing as it was given: its number, and how many recipients it has."""

    number: int
    mailing_id: int
    public_id: str
    num_recipients: int

    def addresses(self) -> Iterator[str]:
        """Its recipients; no other mailing has any of them."""
        return (address(self.number, row) for row in range(1, self.num_recipients + 1))


def address(mailing: int, row: int) -> str:
    """A recipient: one in a hundred is unknown to the relay, another one greylisted."""
    domain = "gone.example" if row % 100 == 37 else "greylist.example" if row % 100 == 11 else "mail.example"
    return f"m{mailing}r{row}@{domain}"


@dataclass
class Feeder:
    """Keeps work before the servers.

    Attributes:
        given: the mailings of this round.
    """

    database: Database
    directory: Path
    policy: DoubtPolicy
    num_recipients: int
    given: list[Given] = field(default_factory=list)
    _number: int = field(default=1, init=False)

    def feed(self) -> None:
        """Submit a mailing unless there is enough to do; when the database is away, some other time."""
        try:
            if self._num_left() < self.num_recipients:
                self.submit()
        except Unavailable:
            return

    def submit(self) -> None:
        """Submit the next mailing. Its key makes it one, however often this is tried.

        Raises:
            Unavailable: the database is away.
        """
        number = self._number
        file = self.directory / f"recipients-{number}.csv"
        with file.open("w", newline="") as text:
            rows = csv.writer(text)
            rows.writerow(("address", "name"))
            rows.writerows((address(number, row), f"Name {row}") for row in range(1, self.num_recipients + 1))
        order = producer.MailingOrder(
            f"mailing {number}", _CONTENT, key=f"prove-{number}", doubt_policy=self.policy, batch_size=_BATCH_SIZE
        )
        with open_source(file) as source:
            submitted = producer.submit(self.database, order, source)
        with self.database.begin() as tx:
            found = mailings.find(tx, submitted.public_id)
        file.unlink()
        self.given.append(Given(number, found.id, found.public_id, self.num_recipients))
        self._number += 1

    def _num_left(self) -> int:
        done = batch.c.num_sent + batch.c.num_errors + batch.c.num_skipped + batch.c.num_in_doubt
        mine = batch.c.mailing_id.in_([each.mailing_id for each in self.given])
        with self.database.begin() as tx:
            return int(tx.execute(select(func.coalesce(func.sum(batch.c.num_profiles - done), 0)).where(mine)).scalar_one())
