"""Doubts: listed for the organization whose mailings they are of, and settled by it alone."""

import pytest
from sqlalchemy import text

from mailq.admin import doubts
from mailq.admin.doubts import Doubt, Named, Verdict
from mailq.core.mailing import State
from mailq.errors import BadInput, Conflict, NotFound
from tests.support.listening import wakes_the_leader
from tests.support.mailings import books_of, states


def doubt(database, made, *seqs):
    """Let deliveries be in doubt, in a mailing that is otherwise sent."""
    facts = {"id": made.id, "seqs": list(seqs)}
    with database.begin() as tx:
        tx.execute(text("UPDATE delivery SET state = 'sent', settled_at = now() WHERE mailing_id = :id"), facts)
        tx.execute(
            text("""
            UPDATE delivery SET state = 'in_doubt', doubt = CASE seq % 2 WHEN 0 THEN 'timeout' ELSE 'host_lost' END
             WHERE mailing_id = :id AND seq = ANY(:seqs)"""),
            facts,
        )
        tx.execute(
            text("""
            UPDATE batch SET state = 'finished', num_in_doubt = n, num_sent = num_profiles - n
              FROM (SELECT batch_id, count(*) FILTER (WHERE state = 'in_doubt') AS n FROM delivery
                     WHERE mailing_id = :id GROUP BY 1) AS c WHERE batch.id = batch_id"""),
            facts,
        )
        tx.execute(text("UPDATE mailing SET state = 'finished' WHERE id = :id"), facts)


def test_pages_of_ones_own_doubts_follow_each_other(database, us, them, make):
    ours, more, theirs = make((3, 3)), make((4,)), make(of=them)
    doubt(database, ours, 1, 2, 5)
    doubt(database, more, 4)
    doubt(database, theirs, 1)

    seen, cursor = [], None
    while not seen or cursor:
        page = doubts.list_(database, us, limit=2, cursor=cursor)
        seen += [(each.mailing, each.seq) for each in page.data]
        cursor = page.next_cursor

    assert seen == [(ours.public_id, 1), (ours.public_id, 2), (ours.public_id, 5), (more.public_id, 4)]
    assert len(doubts.list_(database, None).data) == 5
    assert [each.seq for each in doubts.list_(database, us, reason=Doubt.TIMEOUT).data] == [2, 4]
    assert [each.seq for each in doubts.list_(database, us, reference=more.public_id).data] == [4]


def test_another_organization_neither_sees_nor_settles_them(database, us, them, make):
    made = make()
    doubt(database, made, 1)
    assert doubts.list_(database, them).data == []
    for do in (
        lambda: doubts.list_(database, them, reference=made.public_id),
        lambda: doubts.resolve(database, them, made.public_id, Verdict.SENT, actor="them"),
        lambda: doubts.resolve(database, them, made.public_id, Verdict.SENT, actor="them", who=[1]),
        lambda: doubts.resolve_named(database, them, [Named(made.public_id, 1, Verdict.SENT)], actor="them"),
    ):
        with pytest.raises(NotFound):
            do()
    assert books_of(database, made).num_in_doubt == 1


def test_a_cursor_of_something_else_is_refused(database, us, them, make):
    made, theirs = make(), make(of=them)
    for cursor in ("", "x", f"{made.public_id}", f"{made.public_id}.", f"{made.public_id}.-1", f"{theirs.public_id}.1"):
        with pytest.raises(BadInput) as refused:
            doubts.list_(database, us, cursor=cursor)
        assert refused.value.field == "cursor"


def test_all_of_a_mailing_or_some_recipients_are_settled(database, us, make):
    made = make()
    doubt(database, made, 1, 2, 3)
    assert doubts.resolve(database, us, made.public_id, Verdict.ERROR, actor="key 1", who=[1, "R2@example.org"]).num == 2
    with pytest.raises(Conflict):
        doubts.resolve(database, us, made.public_id, Verdict.SENT, actor="key 1", who=[3, 1])
    assert doubts.resolve(database, us, made.public_id, Verdict.SENT, actor="key 1", reason=Doubt.HOST_LOST).num == 1
    with database.begin() as tx:
        assert states(tx, made.id) == {1: "error", 2: "error", 3: "sent", 4: "sent", 5: "sent"}
    books_of(database, made)


def test_who_sends_again_wakes_the_leader(database, us, make):
    made = make()
    doubt(database, made, 1)
    with wakes_the_leader(database):
        settled = doubts.resolve(database, us, made.public_id, Verdict.RESEND, actor="key 1")
    assert settled.num == 1
    with database.begin() as tx:
        state = tx.execute(text("SELECT state FROM mailing WHERE id = :id"), {"id": made.id}).scalar_one()
    assert state == State.RUNNING
