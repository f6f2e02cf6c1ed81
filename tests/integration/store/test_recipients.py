"""Rows as COPY takes them, and the rest of a batch skipped under the caller's lock."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from mailq.core.delivery import Skip
from mailq.store import batches, recipients
from tests.support.mailings import make_mailing, make_owner, recount, states


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(address=st.text(max_size=400), reason=st.text(max_size=40))
def test_whatever_stood_in_the_address_of_a_bad_row_can_be_stored(tx: Connection, address: str, reason: str) -> None:
    made = make_mailing(tx, (1,))
    row = recipients.skipped_row(2, address, Skip.INVALID, reason)
    recipients.add_batches(tx, made.id, [recipients.Load(2, skipped=[row])], number=2)

    stored = tx.execute(text("SELECT address, reply FROM delivery WHERE mailing_id = :id AND seq = 2"), {"id": made.id}).one()
    clean = [part.encode("utf-8", "replace").decode().replace("\0", "") for part in (address[:320], reason)]
    assert list(stored) == clean


def test_the_rest_of_a_batch_is_skipped_and_stamped_with_its_fence(tx: Connection) -> None:
    made = make_mailing(tx, (4, 2))
    tx.execute(text("UPDATE delivery SET state = 'sent' WHERE mailing_id = :id AND seq = 1"), {"id": made.id})
    tx.execute(text("UPDATE delivery SET state = 'deferred', due_at = now() WHERE mailing_id = :id AND seq = 2"), {"id": made.id})
    claim = batches.claim(tx, made.batches[0], owner=make_owner(tx))
    assert claim is not None

    assert recipients.skip_rest(tx, made.batches[0], Skip.EXPIRED) == 3
    assert list(states(tx, made.id).values()) == ["sent", "skipped", "skipped", "skipped", "pending", "pending"]
    stamps = tx.execute(text("SELECT DISTINCT pass, skip FROM delivery WHERE state = 'skipped'")).all()
    assert [tuple(each) for each in stamps] == [(claim.fence, "expired")]
    assert recipients.skip_rest(tx, made.batches[0], Skip.EXPIRED) == 0


@pytest.mark.parametrize("limit", [1, 5])
def test_unleased_batches_are_cancelled_and_their_counters_follow(tx: Connection, limit: int) -> None:
    made = make_mailing(tx, (2, 2, 2))
    assert batches.claim(tx, made.batches[2], owner=make_owner(tx)) is not None
    tx.execute(text("UPDATE delivery SET state = 'deferred', due_at = now() WHERE mailing_id = :id AND seq = 3"), {"id": made.id})
    tx.execute(
        text("UPDATE batch SET state = 'waiting', due_at = now(), num_deferred = 1 WHERE id = :id"), {"id": made.batches[1]}
    )

    while recipients.skip_unleased(tx, made.id, Skip.CANCELLED, limit=limit):
        pass

    found = tx.execute(
        text("SELECT state, num_skipped, num_deferred FROM batch WHERE mailing_id = :id ORDER BY number"), {"id": made.id}
    )
    assert [tuple(row) for row in found] == [("cancelled", 2, 0), ("cancelled", 2, 0), ("leased", 0, 0)]
    assert recount(tx, made.id).num_skipped == 4
