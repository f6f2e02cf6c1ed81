"""What every scenario needs: worker servers, a broker, and a mailing submitted as a user would submit it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mailq.broker.doorbell import CeleryDoorbell
from mailq.core.message import Content
from mailq.engine import producer
from mailq.engine.dispatcher import Dispatcher
from mailq.engine.intake import open_source
from mailq.store import mailings
from mailq.store.database import Database
from tests.scenarios.ledgers import Posted
from tests.support.nodes.broker import Broker
from tests.support.nodes.fixtures import *  # noqa: F403
from tests.support.nodes.server import WorkerServer

CONTENT = Content(subject="Hello {{ name }}", sender="Shop <shop@mailq.example>", text="Dear {{ name }},\n\n.the sale begins.\n")

Submit = Callable[..., Posted]
StartPair = Callable[..., tuple[WorkerServer, WorkerServer]]


@pytest.fixture
def dispatcher(database: Database, broker: Broker) -> Dispatcher:
    """What a producer rings with."""
    return Dispatcher(database, CeleryDoorbell(broker.url))


@pytest.fixture
def start_pair(start_server: Callable[..., WorkerServer]) -> StartPair:
    """Starts the servers `one` and `two` side by side, with the same settings and one worker process each."""

    def start(**settings: object) -> tuple[WorkerServer, WorkerServer]:
        one, two = (start_server(name, concurrency=1, wait=False, **settings) for name in ("one", "two"))
        return one.wait_ready(), two.wait_ready()

    return start


@pytest.fixture
def submit(database: Database, dispatcher: Dispatcher, tmp_path: Path) -> Submit:
    """Submits a mailing from a CSV file through the producer and rings, as `mailqctl mailing submit` does."""

    def submit(
        recipients: int | Sequence[str] = 300,
        *,
        batch_size: int = 100,
        content: Content = CONTENT,
        ring: bool = True,
        **order: object,
    ) -> Posted:
        addresses = (
            [f"r{number}@example.com" for number in range(1, recipients + 1)] if isinstance(recipients, int) else recipients
        )
        path = tmp_path / "recipients.csv"
        path.write_text("address,name\n" + "".join(f'"{address}",Name {row}\n' for row, address in enumerate(addresses, 1)))
        with open_source(path) as source:
            given = producer.MailingOrder("the sale", content, batch_size=batch_size, **order)  # type: ignore[arg-type]
            submitted = producer.submit(database, given, source)
        with database.begin() as tx:
            found = mailings.find(tx, submitted.public_id)
        if ring:
            dispatcher.ring_all()
        return Posted(database, found.id, submitted.public_id, tuple(addresses))

    return submit
