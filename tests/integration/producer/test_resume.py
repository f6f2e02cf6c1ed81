"""A load that dies leaves a mailing in `loading`: never sent, continued where it stopped, or dropped without a trace."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from mailq.core.mailing import Books, State
from mailq.engine import producer, steering
from mailq.engine.intake import open_source
from mailq.engine.producer import MailingOrder, Progress
from mailq.errors import BadInput, Conflict, Unavailable
from mailq.store import recipients
from mailq.store.database import Database
from tests.integration.producer.conftest import CONTENT, Ledger, people

_NUMBER = 25_000
_ORDER = MailingOrder("Spring", CONTENT, key="spring", batch_size=1000)

# Stops when the first chunk is stored and the second is on its way, and says so; then it is killed.
_SUBMIT = """
import signal, sys
from pathlib import Path
from mailq.engine import producer
from mailq.engine.intake import open_source
from mailq.store.database import Database
from tests.integration.producer.test_resume import _ORDER

def report(progress):
    if progress.num_loaded >= 10_000:
        print("midway", flush=True)
        signal.pause()

with open_source(Path(sys.argv[2])) as source:
    producer.submit(Database(sys.argv[1]), _ORDER, source, progress=report)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of 25,000 recipients: three chunks. One address stands in it twice, chunks apart."""
    path = tmp_path / "people.csv"
    path.write_text(people(_NUMBER - 1) + "P1@example.org,again\n")
    return path


def require_every_record_once(ledger: Ledger) -> None:
    found = ledger.deliveries()
    assert [(each.seq, each.address.lower()) for each in found] == [
        *((n, f"p{n}@example.org") for n in range(1, _NUMBER)),
        (_NUMBER, "p1@example.org"),
    ]
    assert [each.seq for each in found if each.state != "pending"] == [_NUMBER]
    assert ledger.mailings()[0].books == Books(num_profiles=_NUMBER, num_pending=_NUMBER - 1, num_skipped=1)
    ledger.require_balance()


class Stop(Exception):
    """Ends a submit in the middle."""


def stop_midway(progress: Progress) -> None:
    if progress.num_loaded >= 10_000:
        raise Stop


def submit_half(database: Database, path: Path, order: MailingOrder = _ORDER) -> None:
    with open_source(path) as source, pytest.raises(Stop):
        producer.submit(database, order, source, progress=stop_midway)


def test_a_submit_killed_midway_is_continued_and_loads_each_record_once(
    database: Database, database_url: str, ledger: Ledger, path: Path
) -> None:
    process = subprocess.Popen([sys.executable, "-c", _SUBMIT, database_url, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "midway\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()

    (left,) = ledger.mailings()
    assert left.mailing.state is State.LOADING
    assert 0 < left.mailing.num_loaded < _NUMBER
    assert left.mailing.num_loaded == left.books.num_profiles == len(ledger.deliveries())

    with open_source(path) as source:
        resumed = producer.submit(database, _ORDER, source)
    assert (resumed.public_id, resumed.created, resumed.state) == (left.mailing.public_id, False, State.RUNNING)
    require_every_record_once(ledger)


def test_a_mailing_without_a_key_is_continued_by_its_id(database: Database, ledger: Ledger, path: Path) -> None:
    submit_half(database, path, MailingOrder("Spring", CONTENT))
    (left,) = ledger.mailings()

    with open_source(path) as source:
        assert producer.load_on(database, left.mailing.public_id, source).state is State.RUNNING
        require_every_record_once(ledger)
        with pytest.raises(Conflict, match="is running, not loading"):
            producer.load_on(database, left.mailing.public_id, source)


def test_a_load_is_not_continued_from_another_file(database: Database, ledger: Ledger, path: Path, tmp_path: Path) -> None:
    submit_half(database, path)
    other = tmp_path / "other.csv"
    other.write_text(people(3))

    with open_source(other) as source, pytest.raises(Conflict, match="other recipients"):
        producer.load_on(database, "spring", source)
    assert ledger.mailings()[0].mailing.state is State.LOADING


_AT_15000 = """
CREATE FUNCTION at_15000() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {does}; RETURN NEW; END $$;
CREATE TRIGGER at_15000 BEFORE INSERT ON delivery FOR EACH ROW WHEN (NEW.seq = 15000) EXECUTE FUNCTION at_15000()
"""


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        ("PERFORM pg_terminate_backend(pg_backend_pid())", r"database .* went away"),
        # What PostgreSQL says when its disk is full, from within COPY.
        ("RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'", "no room left.*No space"),
    ],
)
def test_a_lost_or_full_database_is_told_and_the_load_continued(
    database: Database, ledger: Ledger, path: Path, does: str, sentence: str
) -> None:
    with database.begin() as tx:
        tx.execute(text(_AT_15000.format(does=does)))
    with open_source(path) as source:
        with pytest.raises(Unavailable, match=sentence):
            producer.submit(database, _ORDER, source)
        assert (ledger.mailings()[0].mailing.state, ledger.mailings()[0].mailing.num_loaded) == (State.LOADING, 10_000)
        with database.begin() as tx:
            tx.execute(text("DROP TRIGGER at_15000 ON delivery"))
        producer.submit(database, _ORDER, source)
    require_every_record_once(ledger)


def test_a_file_found_at_fault_while_it_is_loaded_leaves_a_mailing_that_is_never_sent(
    database: Database, ledger: Ledger, tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    path.write_text(people(15_000) + 'open@example.org,"never closed\n')

    with open_source(path) as source, pytest.raises(BadInput, match="line 15002 is never closed"):
        producer.submit(database, _ORDER, source)

    assert ledger.mailings()[0].mailing.state is State.LOADING


def test_a_mailing_cancelled_while_it_is_loaded_takes_no_more(database: Database, ledger: Ledger, path: Path) -> None:
    def cancel(progress: Progress) -> None:
        if progress.num_loaded == 10_000:
            steering.cancel(database, "spring")

    with open_source(path) as source, pytest.raises(Conflict, match="cancelled"):
        producer.submit(database, _ORDER, source, progress=cancel)

    (found,) = ledger.mailings()
    assert found.mailing.state is State.CANCELLED
    assert found.books.num_skipped == found.books.num_profiles > 0
    ledger.require_balance()


def test_a_dropped_mailing_leaves_nothing_and_its_key_is_free(database: Database, ledger: Ledger, path: Path) -> None:
    submit_half(database, path)

    steering.drop(database, "spring")
    assert not ledger.mailings()
    assert not ledger.deliveries()

    with open_source(path) as source:
        assert producer.submit(database, _ORDER, source).created


def test_a_drop_that_dies_midway_leaves_a_mailing_that_can_be_loaded_on(database: Database, ledger: Ledger, path: Path) -> None:
    submit_half(database, path)
    with database.begin() as tx:
        assert recipients.delete_last_batches(tx, ledger.mailings()[0].mailing.id, limit=3) > 0
    ledger.require_balance()

    with open_source(path) as source:
        producer.submit(database, _ORDER, source)
    require_every_record_once(ledger)


def test_a_mailing_that_another_process_loads_cannot_be_dropped(database: Database, ledger: Ledger, path: Path) -> None:
    refused: list[str] = []

    def drop(progress: Progress) -> None:
        if progress.num_loaded == 10_000:
            with pytest.raises(Conflict, match="being loaded by another process") as found:
                steering.drop(database, "spring")
            refused.append(str(found.value))

    with open_source(path) as source:
        producer.submit(database, _ORDER, source, progress=drop)

    assert len(refused) == 1
    require_every_record_once(ledger)
