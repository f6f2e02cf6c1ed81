"""A submit: what it stores, what it returns for a key, what it refuses."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from mailq.core.delivery import Skip
from mailq.core.mailing import Books, DoubtPolicy, State
from mailq.core.message import Content, TemplateFault
from mailq.engine import producer
from mailq.engine.intake import open_source
from mailq.engine.producer import MailingOrder, Progress
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store.database import Database
from tests.integration.producer.conftest import CONTENT, Ledger, Submit, people


def test_recipients_become_deliveries_in_batches_of_the_order(submit: Submit, ledger: Ledger) -> None:
    submitted = submit(people(25), batch_size=10)

    assert submitted.created
    assert submitted.state is State.RUNNING
    assert submitted.books == Books(num_profiles=25, num_pending=25)
    assert [(each.seq, each.address, each.variables, each.state) for each in ledger.deliveries()] == [
        (n, f"p{n}@example.org", {"name": f"Name {n}"}, "pending") for n in range(1, 26)
    ]
    (only,) = ledger.mailings()
    assert (only.num_batches, only.mailing.num_loaded) == (3, 25)
    assert only.mailing.started_at is not None
    ledger.require_balance()


def test_rows_at_fault_are_skipped_with_line_and_reason(submit: Submit, ledger: Ledger) -> None:
    submitted = submit('email,note\nok@example.org,"two\nlines"\nno-at-sign,x\nok2@example.org\n,empty\n"t\tab@\\x",y\n')

    assert (submitted.books.num_profiles, submitted.books.num_skipped, submitted.books.num_pending) == (5, 4, 1)
    skipped = [(each.address, each.skip, each.reply.partition(":")[0]) for each in ledger.deliveries() if each.state == "skipped"]
    assert skipped == [
        ("no-at-sign", Skip.INVALID, "line 4"),
        ("ok2@example.org", Skip.INVALID, "line 5"),
        ("", Skip.INVALID, "line 6"),
        ("t\tab@\\x", Skip.INVALID, "line 7"),
    ]
    assert ledger.deliveries()[2].reply == "line 5: it has 1 fields where the header has 2"
    assert all(each.settled_at for each in ledger.deliveries() if each.state == "skipped")
    ledger.require_balance()


def test_the_same_address_twice_is_one_delivery_and_one_duplicate(submit: Submit, ledger: Ledger) -> None:
    """Also across batches and chunks, whatever the case; an invalid row is nobody's duplicate."""
    submit("email\nann@example.org\nbad\nAnn@Example.ORG\nbob@example.org\nbad\nANN@example.org\n", batch_size=2)

    assert [(each.state, each.skip, each.reply) for each in ledger.deliveries()] == [
        ("pending", None, None),
        ("skipped", "invalid", ledger.deliveries()[1].reply),
        ("skipped", "duplicate", "same address as recipient 1"),
        ("pending", None, None),
        ("skipped", "invalid", ledger.deliveries()[4].reply),
        ("skipped", "duplicate", "same address as recipient 1"),
    ]
    ledger.require_balance()


def test_a_batch_with_nothing_to_send_is_finished_at_once(submit: Submit, database: Database) -> None:
    submit("email\na@example.org\nb@example.org\nA@example.org\nB@example.org\n", batch_size=2)

    with database.begin() as tx:
        assert tx.execute(text("SELECT state FROM batch ORDER BY number")).scalars().all() == ["ready", "finished"]


def test_a_mailing_with_nothing_to_send_is_finished(submit: Submit, ledger: Ledger) -> None:
    submitted = submit("email\nbad\nworse\n")

    assert submitted.state is State.FINISHED
    assert submitted.books == Books(num_profiles=2, num_skipped=2)
    assert ledger.mailings()[0].mailing.finished_at is not None


def test_a_later_mailing_waits_for_its_time(submit: Submit, ledger: Ledger) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    assert submit(people(2), scheduled_at=tomorrow).state is State.SCHEDULED
    assert ledger.mailings()[0].mailing.scheduled_at == tomorrow
    assert ledger.mailings()[0].mailing.started_at is None


def test_the_same_key_with_the_same_content_is_the_first_mailing(submit: Submit, ledger: Ledger) -> None:
    first = submit(people(3), key="spring")
    again = submit(people(3), key="spring", name="renamed-file.csv")

    assert (again.public_id, again.created, again.books) == (first.public_id, False, first.books)
    assert len(ledger.mailings()) == 1
    assert len(ledger.deliveries()) == 3


@pytest.mark.parametrize(
    ("recipients", "changed", "what"),
    [
        (people(4), {}, "other recipients"),
        (people(3), {"doubt_policy": DoubtPolicy.RESEND}, "another content or other options"),
        (people(3), {"content": Content(subject="Other", sender="s@example.org", text="x")}, "another content"),
    ],
)
def test_a_key_with_other_content_is_refused_and_names_both(
    submit: Submit, ledger: Ledger, recipients: str, changed: dict[str, object], what: str
) -> None:
    first = submit(people(3), key="spring")

    with pytest.raises(Conflict, match=f"`spring` belongs to mailing {first.public_id}.*{what}.*Spring sale"):
        submit(recipients, key="spring", **changed)
    assert len(ledger.mailings()) == 1


def test_two_submits_of_one_key_at_once_make_one_mailing(database: Database, ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(people(5000))
    answers: list[producer.Submitted] = []
    together = threading.Barrier(4)

    def run() -> None:
        with open_source(path) as source:
            together.wait()
            answers.append(producer.submit(database, MailingOrder("Spring", CONTENT, key="spring", batch_size=100), source))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({each.public_id for each in answers}) == 1
    assert sorted(each.created for each in answers) == [False, False, False, True]
    assert {each.books for each in answers} == {Books(num_profiles=5000, num_pending=5000)}
    assert [each.seq for each in ledger.deliveries()] == list(range(1, 5001))
    ledger.require_balance()


def test_unknown_variables_are_refused_before_anything_is_stored(submit: Submit, ledger: Ledger) -> None:
    content = Content(
        subject="Hi {{ nane }}", sender="s@example.org", text="{{ town | default('you') }} {{ address }} {{ city }}"
    )

    with pytest.raises(BadInput, match=r"`city`, `nane` \(did you mean `name`\?\); there is `address`, `email`, `name`"):
        submit(people(1), content=content)
    assert not ledger.mailings()


def test_a_template_at_fault_is_refused_before_anything_is_stored(submit: Submit, ledger: Ledger) -> None:
    with pytest.raises(TemplateFault, match="text, line 2"):
        submit(people(1), content=Content(subject="Hi", sender="s@example.org", text="one\n{% if %}"))
    assert not ledger.mailings()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"key": " "}, "the key of a mailing"),
        ({"key": "a\nb"}, "the key of a mailing"),
        ({"scheduled_at": datetime(2030, 1, 1)}, "needs a time zone"),  # noqa: DTZ001
        (
            {"scheduled_at": datetime(2030, 1, 2, tzinfo=UTC), "expires_at": datetime(2030, 1, 1, tzinfo=UTC)},
            "would expire before",
        ),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        MailingOrder("Spring", CONTENT, **fields)  # type: ignore[arg-type]


def test_an_unknown_organization_is_refused(submit: Submit, ledger: Ledger) -> None:
    with pytest.raises(NotFound, match="no organization `acme`"):
        submit(people(1), organization="acme")
    assert not ledger.mailings()


def test_json_lines_keep_nested_variables(submit: Submit, ledger: Ledger) -> None:
    submit('{"email": "a@example.org", "items": [{"n": 1}, "\\\\ \\n \\" \\u2028"]}\n', name="people.jsonl")

    assert ledger.deliveries()[0].variables == {"items": [{"n": 1}, '\\ \n " \u2028']}


def test_very_large_records_make_smaller_batches(submit: Submit, database: Database, ledger: Ledger) -> None:
    """Memory is bounded by characters too: eight records of 900 kB do not wait for their thousandth."""
    submit("email,note\n" + "".join(f"p{n}@example.org,{'x' * 900_000}\n" for n in range(8)), batch_size=1000)

    with database.begin() as tx:
        assert tx.execute(text("SELECT num_profiles FROM batch ORDER BY number")).scalars().all() == [5, 3]
    ledger.require_balance()


def test_progress_is_told_and_ends_at_the_end(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(people(25_000))
    told: list[Progress] = []

    with open_source(path) as source:
        producer.submit(database, MailingOrder("Spring", CONTENT), source, progress=told.append)

    assert [each.num_loaded for each in told] == [0, 0, 10_000, 25_000]
    assert told[-1].bytes_read == told[-1].total_bytes == path.stat().st_size
    assert told[1].bytes_read < told[1].total_bytes
