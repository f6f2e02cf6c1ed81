"""Mailings as an organization sees them: its own, a page at a time; and an operator all of them."""

import pytest
from sqlalchemy import text

from mailq.admin import mailings, recipients
from mailq.core.delivery import State as Delivery
from mailq.core.mailing import Books, State
from mailq.errors import BadInput, Conflict, NotFound
from tests.support.listening import wakes_the_leader
from tests.support.mailings import finish_batch, make_owner


def fail(database, made, *seqs):
    """Let deliveries have ended in an error."""
    with database.begin() as tx:
        facts = {"id": made.id, "seqs": list(seqs)}
        tx.execute(
            text("UPDATE delivery SET state = 'error', reply = '550 no' WHERE mailing_id = :id AND seq = ANY(:seqs)"), facts
        )
        tx.execute(
            text("""
            UPDATE batch SET num_errors = (SELECT count(*) FROM delivery
             WHERE mailing_id = :id AND state = 'error' AND seq BETWEEN first_seq AND last_seq) WHERE mailing_id = :id"""),
            facts,
        )


def test_an_organization_lists_its_own_mailings_page_by_page(database, us, them, make):
    ours = [make().public_id for _ in range(5)]
    theirs = make(of=them).public_id

    first = mailings.list_(database, us, limit=2)
    late = make().public_id
    second = mailings.list_(database, us, limit=2, cursor=first.next_cursor)
    third = mailings.list_(database, us, limit=2, cursor=second.next_cursor)

    seen = [each.mailing.public_id for page in (first, second, third) for each in page.data]
    assert seen == ours[::-1]
    assert third.next_cursor is None
    everything = [each.mailing.public_id for each in mailings.list_(database, None).data]
    assert everything == [late, theirs, *ours[::-1]]
    assert [each.mailing.public_id for each in mailings.list_(database, them).data] == [theirs]


def test_only_some_states_are_listed(database, us, make):
    paused = make(state=State.PAUSED).public_id
    make()
    assert [each.mailing.public_id for each in mailings.list_(database, us, states=[State.PAUSED]).data] == [paused]


def test_a_cursor_of_something_else_is_refused(database, us, them, make):
    made, theirs = make(), make(of=them).public_id
    for cursor in ("", "nonsense", theirs, made.public_id[:-1]):
        with pytest.raises(BadInput) as refused:
            mailings.list_(database, us, cursor=cursor)
        assert refused.value.field == "cursor"
    for cursor in ("", "x", "-1", "٣", "9" * 30):
        with pytest.raises(BadInput) as refused:
            mailings.deliveries(database, us, made.public_id, cursor=cursor)
        assert refused.value.field == "cursor"
    for limit in (0, 1001):
        with pytest.raises(BadInput) as refused:
            mailings.list_(database, us, limit=limit)
        assert refused.value.field == "limit"


def test_a_mailing_of_another_organization_is_not_found_by_anything(database, us, them, make):
    made = make()
    for do in (
        mailings.find,
        mailings.show,
        mailings.deliveries,
        mailings.export,
        mailings.pause,
        mailings.resume,
        mailings.cancel,
    ):
        for reference in (made.public_id, made.public_id[:12]):
            with pytest.raises(NotFound):
                do(database, them, reference)
    assert mailings.show(database, us, made.public_id).mailing.state is State.RUNNING
    assert mailings.show(database, None, made.public_id).books == Books(num_profiles=5, num_pending=5)


def test_it_is_steered_and_shown_with_its_books(database, us, make):
    made = make()
    assert mailings.pause(database, us, made.public_id).mailing.state is State.PAUSED
    assert mailings.resume(database, us, made.public_id).mailing.state is State.RUNNING
    cancelled = mailings.cancel(database, us, made.public_id)
    assert (cancelled.mailing.state, cancelled.books) == (State.CANCELLED, Books(num_profiles=5, num_skipped=5))
    with pytest.raises(Conflict):
        mailings.resume(database, us, made.public_id)


def test_a_large_one_is_cancelled_at_once_and_skipped_bit_by_bit(database, us, make):
    """A request ends its first batches; the upkeep does the others, and is woken for it."""
    made = make((1,) * 12)
    with wakes_the_leader(database):
        cancelled = mailings.cancel(database, us, made.public_id)
    assert (cancelled.mailing.state, cancelled.books) == (State.CANCELLED, Books(num_profiles=12, num_skipped=10, num_pending=2))


def test_who_resumes_wakes_the_leader(database, us, make):
    made = make(state=State.PAUSED)
    with wakes_the_leader(database):
        mailings.resume(database, us, made.public_id)


def test_deliveries_are_read_page_by_page_in_their_order(database, us, make):
    made = make((3, 3, 3))
    seen, cursor = [], None
    while True:
        page = mailings.deliveries(database, us, made.public_id, limit=4, cursor=cursor)
        seen += [each.seq for each in page.data]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == list(range(1, 10))
    assert page.data[0].address == "r9@example.org"


@pytest.mark.parametrize("state", list(Delivery))
def test_deliveries_of_one_state_are_all_of_them_and_no_others(database, us, make, state):
    made = make((4, 4, 4))
    with database.begin() as tx:
        finish_batch(tx, made.batches[1], make_owner(tx))
    fail(database, made, 2, 11)
    expected = {Delivery.SENT: [5, 6, 7, 8], Delivery.ERROR: [2, 11], Delivery.PENDING: [1, 3, 4, 9, 10, 12]}

    pages: list[list[int]] = []
    cursor = None
    while not pages or cursor:
        page = mailings.deliveries(database, us, made.public_id, state=state, limit=2, cursor=cursor)
        pages.append([each.seq for each in page.data])
        cursor = page.next_cursor
    assert [seq for page in pages for seq in page] == expected.get(state, [])
    assert all(len(each) == 2 for each in pages[:-1])


def test_an_export_says_what_became_of_everybody(database, us, make):
    made = make((2, 2))
    with database.begin() as tx:
        finish_batch(tx, made.batches[0], make_owner(tx))

    rows = list(mailings.export(database, us, made.public_id))

    assert [(each.seq, each.state) for each in rows] == [(1, "sent"), (2, "sent"), (3, "pending"), (4, "pending")]
    assert [each.message_id is not None for each in rows] == [True, True, False, False]
    assert rows[0].message_id.endswith("@example.org>")
    named = next(mailings.export(database, us, made.public_id, states=[Delivery.SENT], message_id_domain="mail.example"))
    assert named.message_id.endswith("@mail.example>")
    assert [each.seq for each in mailings.export(database, us, made.public_id, states=[Delivery.PENDING])] == [3, 4]


def test_an_export_that_is_left_leaves_no_transaction(database, us, make):
    made = make((2, 2))
    rows = mailings.export(database, us, made.public_id)
    next(rows)
    assert database.engine.pool.checkedout() == 1
    rows.close()
    assert database.engine.pool.checkedout() == 0


def test_history_is_of_ones_own_mailings(database, us, them, make):
    ours, theirs = make(), make(of=them)
    assert {each.mailing for each in recipients.history(database, None, "R1@example.org")} == {ours.public_id, theirs.public_id}
    assert [each.mailing for each in recipients.history(database, us, " r1@EXAMPLE.org ")] == [ours.public_id]
    assert [each.mailing for each in recipients.history(database, them, "r1@example.org")] == [theirs.public_id]
    assert recipients.history(database, us, "nobody@example.org") == []
    with pytest.raises(BadInput) as refused:
        recipients.history(database, us, "nobody")
    assert refused.value.field == "address"
