"""A mailing whose policy is `resend`: who was in doubt is sent the mail again, and nobody else; each of them is on record."""

from collections import Counter

import pytest
from sqlalchemy import select

from mailq.core.mailing import DoubtPolicy
from mailq.store.tables import audit, delivery
from tests.scenarios.brisk import SHORT_LEASE
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

ACCEPTED = {f"r1{digit}@example.com" for digit in range(10)}
NOT_ACCEPTED = {f"r2{digit}@example.com" for digit in range(10)}


@pytest.mark.slow
def test_at_most_those_on_record_are_mailed_twice_and_nobody_goes_without(submit, start_server, sink, database):
    """Of twenty dots without a reply ten had been accepted: these ten get it twice, the other ten once."""
    sink.rules(
        "address=r1?@example.com drop=after-dot times=1",
        "address=r2?@example.com drop=after-dot-unaccepted times=1",
    )
    start_server(**SHORT_LEASE)
    posted = submit(60, doubt_policy=DoubtPolicy.RESEND)

    eventually(lambda: posted.books.num_sent == 60, within=30)

    on_record = resent(database, posted)
    assert on_record == ACCEPTED | NOT_ACCEPTED
    books = ledgers_agree(posted, sink, may_be_twice=on_record)
    assert (books.num_sent, books.num_in_doubt) == (60, 0)
    assert {address for address, times in Counter(sink.accepted_recipients).items() if times == 2} == ACCEPTED
    eventually(lambda: posted.finished)


def resent(database, posted):
    """Whom the policy had sent the mail again, by the audit."""
    found = select(delivery.c.address).join(
        audit, (audit.c.mailing_id == delivery.c.mailing_id) & (audit.c.seq == delivery.c.seq)
    )
    by_policy = audit.c.details["verdict"].astext == "resend", audit.c.actor == "policy"
    with database.begin() as tx:
        return set(tx.execute(found.where(delivery.c.mailing_id == posted.mailing_id, *by_policy)).scalars())
