"""What it takes to reclaim the batches of a dead server: each half worked, with an open window and a journal that knows of it.

python -m tests.benchmarks.reclaiming --batches 1000 --deliveries 1000
"""

import time
from pathlib import Path

import click
from sqlalchemy import text

from mailq.core.batch import Owner
from mailq.engine.restarter import Restarter
from mailq.store import installation
from mailq.store.database import Database
from mailq.transports.journal import JournalFile
from mailq.transports.journals import FileJournals
from tests.benchmarks.ground import own_stack
from tests.support.mailings import make_mailing, make_owner

WINDOW = 40
JOURNALS = 20
BATCHES_A_MAILING = 100
PASS_DOT = 4
"""So many of a window have an S on record, and half of these a reply."""

# As half a pass leaves a batch: what was settled, and behind it a window of what had begun.
_LEASE = text("""
UPDATE batch SET state = 'leased', owner = :owner, server_id = :server, incarnation = :incarnation, fence = 1,
       watermark = first_seq - 1 + num_profiles / 2 + :window, num_sent = num_profiles / 2, pass_started_at = clock_timestamp(),
       first_claimed_at = clock_timestamp(), progressed_at = clock_timestamp(), journal = :journal, relay = 'relay:25'
 WHERE id = :id RETURNING watermark
""")
_SEND = text("""
UPDATE delivery SET state = 'sent', pass = 1, settled_at = clock_timestamp(), reply = '250 ok', relay = 'relay:25'
 WHERE mailing_id = :mailing_id AND (seq - 1) % :size < :size / 2
""")


def lease_all(database: Database, home: Path, num_batches: int, size: int) -> Owner:
    """Make the batches, leased to a server whose processes are dead; who that was."""
    with database.begin() as tx:
        owner, life = make_owner(tx), installation.uuid(tx)
    journals = [JournalFile.create(home / "journal", database=life, incarnation=owner.incarnation) for _ in range(JOURNALS)]
    made = 0
    while made < num_batches:
        with database.begin() as tx:
            mailing = make_mailing(tx, [size] * min(BATCHES_A_MAILING, num_batches - made))
            for place, batch_id in enumerate(mailing.batches, made):
                _lease(tx, batch_id, owner, journals[place % JOURNALS])
            tx.execute(_SEND, {"mailing_id": mailing.id, "size": size})
            made += len(mailing.batches)
    for journal in journals:
        journal.close(remove=False)
    return owner


def _lease(tx, batch_id: int, owner: Owner, journal: JournalFile) -> None:
    facts = {"id": batch_id, "server": owner.server_id, "incarnation": owner.incarnation, "journal": journal.nonce}
    watermark = tx.execute(_LEASE, facts | {"owner": f"{owner.process}-{journal.nonce}", "window": WINDOW}).scalar_one()
    for place in range(PASS_DOT):
        seq = watermark - WINDOW + 1 + place
        journal.started(batch_id, 1, seq, 1)
        if place % 2:
            journal.replied(batch_id, 1, seq, 1, 250)


@click.command()
@click.option("--batches", "num_batches", default=1000, show_default=True)
@click.option("--deliveries", "size", default=1000, show_default=True, help="Of each batch.")
@click.option(
    "--journals/--no-journals", "at_hand", default=True, show_default=True, help="Whether the dead server was on this host."
)
def main(num_batches: int, size: int, at_hand: bool) -> None:
    """Measure how long it takes to reclaim the batches of a dead server."""
    with own_stack() as own:
        database, home = own.database, own.running.home
        owner = lease_all(database, home, num_batches, size)
        with database.begin() as tx:
            life = installation.uuid(tx)
        restarter = Restarter(database, FileJournals(home if at_hand else own.directory, lambda: life))
        began_s, before_s, own_s = time.monotonic(), own.postgres_cpu_s(), time.process_time()
        done = restarter.former_incarnations(owner.server_id, owner.incarnation + 1)
        took_s, own_s = time.monotonic() - began_s, time.process_time() - own_s
        in_postgres_s = own.postgres_cpu_s() - before_s
    click.echo(f"{done} batches reclaimed in {took_s:.2f} s: CPU {in_postgres_s:.2f} s in PostgreSQL, {own_s:.2f} s here")


if __name__ == "__main__":
    main()
