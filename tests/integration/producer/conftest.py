"""Fixtures of the producer's tests: files of recipients, orders, and what the ledger holds of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Row, text

from mailq.core.mailing import State
from mailq.core.message import Content
from mailq.engine import producer
from mailq.engine.intake import open_source
from mailq.engine.producer import MailingOrder, Submitted
from mailq.store import mailings
from mailq.store.database import Database
from tests.support.mailings import recount

CONTENT = Content(subject="Hello", sender="Shop <shop@example.org>", text="Dear reader\n")


class Ledger:
    """What the database holds."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def deliveries(self) -> Sequence[Row]:  # type: ignore[type-arg]
        """Every delivery of every mailing, by seq."""
        with self.database.begin() as tx:
            return tx.execute(text("SELECT * FROM delivery ORDER BY mailing_id, seq")).all()

    def mailings(self) -> list[mailings.Summary]:
        """Every mailing."""
        with self.database.begin() as tx:
            return mailings.summaries(tx)

    def require_balance(self) -> None:
        """The books of every mailing are those its deliveries make; of every batch, too."""
        with self.database.begin() as tx:
            for each in mailings.summaries(tx):
                assert each.books.balanced
                assert each.books == recount(tx, each.mailing.id)
            differing = tx.execute(
                text("""
                SELECT batch.id FROM batch LEFT JOIN delivery ON delivery.mailing_id = batch.mailing_id AND batch_id = batch.id
                 GROUP BY batch.id
                HAVING count(seq) <> num_profiles OR count(seq) FILTER (WHERE delivery.state = 'skipped') <> num_skipped
                    OR min(seq) <> first_seq OR max(seq) <> last_seq OR max(seq) - min(seq) + 1 <> count(seq)""")
            ).all()
            assert not differing


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """What the database of this test holds."""
    return Ledger(database)


Submit = Callable[..., Submitted]


@pytest.fixture
def submit(database: Database, tmp_path: Path) -> Submit:
    """Submits a text as a file of recipients."""

    def submit(recipients: str, *, name: str = "people.csv", content: Content = CONTENT, **order: object) -> Submitted:
        path = tmp_path / name
        path.write_text(recipients, encoding="utf-8", newline="")
        with open_source(path) as source:
            return producer.submit(database, MailingOrder("Spring sale", content, **order), source)  # type: ignore[arg-type]

    return submit


def people(number: int, first: int = 1) -> str:
    """A file of so many good recipients."""
    return "email,name\n" + "".join(f"p{n}@example.org,Name {n}\n" for n in range(first, first + number))


__all__ = ["CONTENT", "Ledger", "State", "Submit", "people"]
