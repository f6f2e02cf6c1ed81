"""Mailings made in steps: drafted, uploaded to, completed; each step again, at once, and too late."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from mailq.core.mailing import State
from mailq.core.message import Content, TemplateFault
from mailq.engine import drafting, producer, steering
from mailq.engine.drafting import Uploaded
from mailq.engine.intake import open_source
from mailq.engine.intake.raw import open_raw
from mailq.engine.intake.source import Source
from mailq.engine.producer import MailingOrder
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import mailings, tables
from mailq.store.database import Database
from mailq.store.mailings import Mailing
from tests.support.listening import listening
from tests.support.mailings import recount
from tests.support.waiting import eventually

CONTENT = Content(subject="Hi {{ name }}", sender="Shop <shop@x.example>", text="Dear {{ name }}")
PEOPLE = (
    '{"email": "ann@x.example", "name": "Ann"}\n{"email": "nobody", "name": "Bob"}\n{"email": "cid@x.example", "name": "Cid"}\n'
)


@pytest.fixture
def draft(database: Database, us: int) -> Callable[..., tuple[Mailing, bool]]:
    """Drafts a mailing."""

    def draft(content: Content = CONTENT, **order: object) -> tuple[Mailing, bool]:
        with database.begin() as tx:
            return drafting.create(tx, us, MailingOrder("Sale", content, **order))  # type: ignore[arg-type]

    return draft


Upload = Callable[..., Uploaded]


@pytest.fixture
def upload(database: Database, us: int, tmp_path: Path) -> Upload:
    """Uploads a text."""

    def upload(
        mailing: Mailing, lines: str = PEOPLE, *, suffix: str = "jsonl", organization: int | None = us, **key: str
    ) -> Uploaded:
        path = tmp_path / f"{threading.get_ident()}.{suffix}"
        path.write_text(lines, newline="")
        with open_source(path) as source:
            return drafting.upload(database, organization, mailing.public_id, source, **key)

    return upload


@pytest.fixture
def look(database: Database) -> Callable[[Mailing], Mailing]:
    """A mailing as it stands, with books that are those of its deliveries."""

    def look(mailing: Mailing) -> Mailing:
        with database.begin() as tx:
            assert mailings.books(tx, mailing.id) == recount(tx, mailing.id)
            return mailings.get(tx, mailing.id)

    return look


def deliveries(database: Database) -> list[tuple[int, str, str]]:
    with database.begin() as tx:
        found = tx.execute(text("SELECT seq, address, state FROM delivery ORDER BY mailing_id, seq"))
        return [(row.seq, row.address, row.state) for row in found]


def complete(database: Database, us: int, mailing: Mailing) -> Mailing:
    with database.begin() as tx:
        return drafting.complete(tx, us, mailing.public_id)


def test_a_mailing_is_drafted_filled_in_parts_and_completed(database, us, draft, upload, look):
    mailing, created = draft(batch_size=2)
    assert (mailing.state, created) == (State.DRAFT, True)

    first = upload(mailing)
    second = upload(mailing, "email,name\ndan@x.example,Dan\n", suffix="csv")

    assert (first.num_recipients, first.num_valid, first.num_invalid, first.num_profiles) == (3, 2, 1, 3)
    assert (second.num_recipients, second.num_valid, second.num_invalid, second.num_profiles) == (1, 1, 0, 4)
    assert deliveries(database) == [
        (1, "ann@x.example", "pending"),
        (2, "nobody", "skipped"),
        (3, "cid@x.example", "pending"),
        (4, "dan@x.example", "pending"),
    ]
    assert (look(mailing).state, look(mailing).num_loaded) == (State.LOADING, 4)

    done = complete(database, us, mailing)
    assert (done.state, done.loaded_at is not None) == (State.LOADING, True)
    assert complete(database, us, mailing) == done


def test_what_is_at_fault_is_told_by_its_line_a_hundred_times_at_most(draft, upload):
    mailing, _ = draft()
    lines = PEOPLE + "not json\n" * 150

    uploaded = upload(mailing, lines)

    assert (uploaded.num_recipients, uploaded.num_invalid, len(uploaded.errors)) == (153, 151, 100)
    assert [line for line, _ in uploaded.errors] == [2, *range(4, 103)]
    assert "@" in uploaded.errors[0][1]
    assert "no JSON" in uploaded.errors[1][1]


def test_the_leader_is_woken_by_the_commit(database, us, draft, upload):
    mailing, _ = draft()
    upload(mailing)
    with listening(database) as woken:
        with database.begin() as tx:
            drafting.complete(tx, us, mailing.public_id)
            assert not woken()
        eventually(woken)


def test_the_same_key_and_order_is_the_same_mailing_wherever_it_stands(database, us, draft, upload):
    mailing, _ = draft(key="sale", scheduled_at=datetime(2999, 1, 1, tzinfo=UTC))
    again, created = draft(key="sale", scheduled_at=datetime(2999, 1, 1, tzinfo=UTC))
    assert (again.public_id, created) == (mailing.public_id, False)

    upload(mailing)
    complete(database, us, mailing)
    assert draft(key="sale", scheduled_at=datetime(2999, 1, 1, tzinfo=UTC))[0].public_id == mailing.public_id
    for other in ({}, {"scheduled_at": datetime(2999, 1, 1, tzinfo=UTC), "repeats": True}):
        with pytest.raises(Conflict, match=mailing.public_id):
            draft(key="sale", **other)


def test_two_organizations_may_use_one_key(database, us, them, draft):
    ours, _ = draft(key="sale")
    with database.begin() as tx:
        theirs, created = drafting.create(tx, them, MailingOrder("Theirs", CONTENT, key="sale"))
    assert created
    assert theirs.public_id != ours.public_id
    with database.begin() as tx:
        assert mailings.find(tx, "sale", organization_id=us).id == ours.id
        assert mailings.find(tx, "sale", organization_id=them).id == theirs.id
        with pytest.raises(Conflict):
            mailings.find(tx, "sale")


def test_a_time_that_is_past_is_refused_only_when_the_mailing_is_new(database, draft):
    past = datetime.now(UTC) - timedelta(days=1)
    for field in ("scheduled_at", "expires_at"):
        with pytest.raises(BadInput, match="past") as refused:
            draft(**{field: past})
        assert refused.value.field == field

    soon = datetime(2999, 1, 1, tzinfo=UTC)
    mailing, _ = draft(key="sale", scheduled_at=soon)
    with database.begin() as tx:  # its time has come
        digest = MailingOrder("Sale", CONTENT, key="sale", scheduled_at=past).digest()
        tx.execute(text("UPDATE mailing SET scheduled_at = :past, content_digest = :digest"), {"past": past, "digest": digest})
    assert draft(key="sale", scheduled_at=past) == (mailing_of(database, mailing), False)


def mailing_of(database: Database, mailing: Mailing) -> Mailing:
    with database.begin() as tx:
        return mailings.get(tx, mailing.id)


def test_nothing_is_drafted_of_a_content_at_fault(database, draft):
    with pytest.raises(TemplateFault) as refused:
        draft(Content(subject="{{ name", sender="shop@x.example", text="x"))
    assert refused.value.field == "subject"
    with database.begin() as tx:
        assert mailings.summaries(tx) == []


def test_an_upload_that_lacks_a_variable_is_refused_whole_and_names_it(database, draft, upload, look):
    mailing, _ = draft()
    with pytest.raises(BadInput, match="`name`") as refused:
        upload(mailing, "email,nam\nann@x.example,Ann\n", suffix="csv")
    assert refused.value.field == "recipients"
    assert deliveries(database) == []
    assert look(mailing).state is State.DRAFT


def test_an_upload_that_breaks_off_leaves_nothing(database, draft, upload, look):
    """An open quote is found when thousands of rows are on their way to the database."""
    mailing, _ = draft(batch_size=100)
    good = "".join(f"p{n}@x.example,Name {n}\n" for n in range(15_000))
    with pytest.raises(BadInput, match="quote") as refused:
        upload(mailing, f'email,name\n{good}a@x.example,"open\n', suffix="csv", key="part 1")
    assert refused.value.field == "recipients"
    assert deliveries(database) == []
    assert (look(mailing).state, look(mailing).num_loaded) == (State.DRAFT, 0)
    assert upload(mailing, key="part 1").num_profiles == 3


def test_an_upload_that_is_repeated_is_answered_as_before(database, us, draft, upload):
    mailing, _ = draft()
    first = upload(mailing, key="part 1")
    assert upload(mailing, key="part 1") == first
    upload(mailing, PEOPLE, key="part 2")
    complete(database, us, mailing)
    assert upload(mailing, key="part 1") == first
    assert len(deliveries(database)) == 6


def test_a_key_of_another_request_is_refused(draft, upload):
    mailing, _ = draft()
    other, _ = draft()
    upload(mailing, key="part 1")
    with pytest.raises(Conflict, match="part 1"):
        upload(mailing, PEOPLE + PEOPLE, key="part 1")
    with pytest.raises(Conflict, match="part 1"):
        upload(other, key="part 1")
    with pytest.raises(BadInput) as refused:
        upload(other, key="part\n1")
    assert refused.value.field == "key"


def test_uploads_at_once_go_one_after_the_other(database, draft, upload, look):
    mailing, _ = draft(batch_size=50)
    parts = ["email,name\n" + "".join(f"p{part}-{n}@x.example,N\n" for n in range(120)) for part in range(6)]
    answers: list[Uploaded] = []

    threads = [threading.Thread(target=lambda part=part: answers.append(upload(mailing, part, suffix="csv"))) for part in parts]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(each.num_profiles for each in answers) == [120 * n for n in range(1, 7)]
    assert look(mailing).num_loaded == 720
    assert [seq for seq, *_ in deliveries(database)] == list(range(1, 721))


def test_one_upload_sent_twice_at_once_is_stored_once(database, draft, upload):
    mailing, _ = draft()
    answers: list[Uploaded] = []
    threads = [threading.Thread(target=lambda: answers.append(upload(mailing, key="part 1"))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert len(deliveries(database)) == 3


def test_nothing_is_uploaded_to_what_is_complete_or_over(database, us, draft, upload):
    done, _ = draft()
    upload(done)
    complete(database, us, done)
    with pytest.raises(Conflict, match="complete"):
        upload(done)

    over, _ = draft()
    upload(over)
    steering.cancel(database, over.public_id, organization_id=us)
    with pytest.raises(Conflict, match="cancelled"):
        upload(over)
    with pytest.raises(Conflict, match="cancelled"):
        complete(database, us, over)


def test_who_completes_or_cancels_during_an_upload_wins(database, us, draft, upload, look):
    """The upload finds it out at its end, and leaves nothing."""
    for end in (lambda one: steering.cancel(database, one.public_id), lambda one: complete(database, us, one)):
        mailing, _ = draft()
        upload(mailing)
        with database.begin() as tx:
            mailings.lock_load(tx, mailing.id)
            refused: list[Conflict] = []

            def late(mailing=mailing, refused=refused):
                try:
                    upload(mailing)
                except Conflict as error:
                    refused.append(error)

            thread = threading.Thread(target=late)
            thread.start()
            assert eventually(lambda: waits_for_a_lock(database), within=10)
            end(mailing)
        thread.join()
        assert refused
        assert look(mailing).num_loaded == 3


@pytest.mark.parametrize("end", ["cancel", "complete"])
def test_a_mailing_that_ends_in_the_middle_of_an_upload_takes_nothing_of_it(database, us, draft, upload, look, tmp_path, end):
    mailing, _ = draft()
    upload(mailing)
    path = tmp_path / "late.jsonl"
    path.write_text(PEOPLE)

    ends = {
        "cancel": lambda: steering.cancel(database, mailing.public_id),
        "complete": lambda: complete(database, us, mailing),
    }

    class Late(Source):
        ready = False

        def parts(self, skip: int = 0):
            for part in super().parts(skip):
                if self.ready:
                    self.ready = False
                    ends[end]()
                yield part

    raw = open_raw(path)
    with Late(raw, raw.survey(), suffix="late.jsonl") as source:
        source.ready = True
        with pytest.raises(Conflict, match=r"cancelled|complete"):
            drafting.upload(database, us, mailing.public_id, source)
    assert look(mailing).num_loaded == 3


def waits_for_a_lock(database: Database) -> bool:
    with database.begin() as tx:
        return bool(tx.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")).scalar_one())


def test_a_mailing_without_recipients_cannot_be_completed(database, us, draft):
    mailing, _ = draft()
    with pytest.raises(Conflict, match="no recipients"):
        complete(database, us, mailing)


def test_another_organizations_mailing_is_not_found(database, them, draft, upload):
    mailing, _ = draft(key="sale")
    for reference in (mailing.public_id, mailing.public_id[:10], "sale"):
        with database.begin() as tx, pytest.raises(NotFound):
            drafting.complete(tx, them, reference)
    with pytest.raises(NotFound):
        upload(mailing, organization=them)
    with pytest.raises(NotFound):
        steering.cancel(database, mailing.public_id, organization_id=them)
    assert upload(mailing, organization=None).num_profiles == 3


def test_what_is_loaded_from_a_file_is_not_uploaded_to(database, us, upload, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("email,name\nann@x.example,Ann\n")
    with open_source(path) as source:
        submitted = producer.submit(database, MailingOrder("Sale", CONTENT), source)
    with database.begin() as tx:  # as if the process had died before it closed the load
        tx.execute(text("UPDATE mailing SET state = 'loading'"))
        mailing = mailings.find(tx, submitted.public_id)
    with pytest.raises(Conflict, match="loaded from a file"):
        upload(mailing)
    with pytest.raises(Conflict, match="loaded from a file"):
        complete(database, us, mailing)


def test_what_is_complete_cannot_be_dropped_and_a_draft_can(database, us, draft, upload):
    mailing, _ = draft()
    upload(mailing)
    complete(database, us, mailing)
    with pytest.raises(Conflict, match="about to start"):
        steering.drop(database, mailing.public_id)

    other, _ = draft()
    upload(other, key="part 1")
    steering.drop(database, other.public_id)
    with database.begin() as tx:
        assert [each.mailing.id for each in mailings.summaries(tx)] == [mailing.id]
        assert tx.execute(select(tables.idempotency.c.key)).all() == []
