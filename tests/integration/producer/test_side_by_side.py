"""Chunks that are on their way side by side: committed in order, none behind one that failed, and in the end what one would have made."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from mailq.core.mailing import State
from mailq.engine import producer
from mailq.engine.intake import chunks, open_source
from mailq.engine.producer import MailingOrder, Progress
from mailq.errors import BadInput, Unavailable
from mailq.store.database import Database
from tests.integration.producer.conftest import CONTENT, Ledger, people

_ORDER = MailingOrder("Spring", CONTENT, key="spring", batch_size=100)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of three batches."""
    monkeypatch.setattr(chunks, "CHUNK_RECORDS", 300)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of eleven chunks."""
    path = tmp_path / "people.csv"
    path.write_text(people(3_300))
    return path


def test_a_copy_that_fails_ends_the_reading_and_nothing_behind_it_is_stored(
    database: Database, ledger: Ledger, path: Path
) -> None:
    with database.begin() as tx:
        tx.execute(
            text("""
            CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$;
            CREATE TRIGGER disk_full BEFORE INSERT ON delivery FOR EACH ROW WHEN (NEW.seq = 1000) EXECUTE FUNCTION disk_full()""")
        )
    told: list[Progress] = []
    turns = sys.getswitchinterval()

    with open_source(path) as source, pytest.raises(Unavailable, match=r"no room left.*No space left"):
        producer.submit(database, _ORDER, source, progress=told.append)

    (left,) = ledger.mailings()
    assert (left.mailing.state, left.mailing.num_loaded) == (State.LOADING, 900)
    assert [each.seq for each in ledger.deliveries()] == list(range(1, 901))
    assert told[-1].num_loaded <= 900
    assert len(told) < 11
    assert sys.getswitchinterval() == turns, "the rest of the process takes turns as before"
    ledger.require_balance()


def test_ctrl_c_midway_leaves_whole_chunks_and_the_same_submit_goes_on(database: Database, ledger: Ledger, path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.num_loaded >= 600:
            raise KeyboardInterrupt

    with open_source(path) as source, pytest.raises(KeyboardInterrupt):
        producer.submit(database, _ORDER, source, progress=interrupt)
    (left,) = ledger.mailings()
    assert left.mailing.num_loaded == len(ledger.deliveries()) == left.books.num_profiles
    assert left.mailing.num_loaded % 300 == 0
    assert left.mailing.num_loaded < 3_300

    with open_source(path) as source:
        assert not producer.submit(database, _ORDER, source).created
    assert [each.seq for each in ledger.deliveries()] == list(range(1, 3_301))
    ledger.require_balance()


def test_a_file_that_changes_while_it_is_loaded_is_noticed(database: Database, ledger: Ledger, path: Path) -> None:
    before = "email,name\n" + "".join(f"p{number}@example.org,{'x' * 200}\n" for number in range(3_300))
    path.write_text(before)

    def change(_: Progress) -> None:
        path.write_text(before.replace("p3299@", "q3299@"))

    with open_source(path) as source, pytest.raises(BadInput, match="changed while it was read"):
        producer.submit(database, _ORDER, source, progress=change)
    assert ledger.mailings()[0].mailing.state is State.LOADING


_FIELD = st.sampled_from(
    ["plain", "", "Zoë", 'with "quotes"', "two\nlines", "tab\there", "back\\slash", "\x01", "100%s", "a,b", "Ł" * 40]
)
_ADDRESS = st.sampled_from(
    [
        "ann@x.example",
        "ANN@X.example",
        "bob@x.example",
        "no address",
        "jürgen@x.example",
        "a@münchen.example",
        "x" * 65 + "@x.example",
    ]
)


def _quoted(value: str, *, always: bool) -> str:
    return '"' + value.replace('"', '""') + '"' if always or any(each in value for each in '",\n') else value


def _rows(ledger: Ledger) -> list[tuple[object, ...]]:
    return [(row.seq, row.address, row.variables, row.state, row.skip, row.reply) for row in ledger.deliveries()]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(_ADDRESS, _FIELD, _FIELD), min_size=1, max_size=60), always=st.booleans(), stop=st.integers(0, 50))
def test_a_load_in_two_goes_and_record_by_record_makes_the_rows_of_one_go(
    database: Database, ledger: Ledger, tmp_path: Path, rows: list[tuple[str, str, str]], always: bool, stop: int
) -> None:
    path = tmp_path / "people.csv"
    lines = [",".join(_quoted(value, always=always) for value in row) for row in rows]
    path.write_text("email,a %s,b\n" + "\n".join(lines) + "\n", newline="")

    class Stop(Exception):
        pass

    def end(progress: Progress) -> None:
        if progress.num_loaded >= stop:
            raise Stop

    made = []
    for interrupted, plain in ((False, True), (True, True), (False, False)):
        with database.begin() as tx:
            tx.execute(text("TRUNCATE delivery, batch, mailing, idempotency"))
        with pytest.MonkeyPatch.context() as patch, open_source(path) as source:
            patch.setattr(chunks, "CHUNK_RECORDS", 10)
            if not plain:
                patch.setattr("mailq.engine.intake.delimited.Delimited._at_once", lambda *_: None)
            order = MailingOrder("Spring", CONTENT, key="spring", batch_size=4)
            if interrupted:
                with suppress(Stop):
                    producer.submit(database, order, source, progress=end)
            producer.submit(database, order, source)
        ledger.require_balance()
        made.append(_rows(ledger))
    assert made[0] == made[1] == made[2]
