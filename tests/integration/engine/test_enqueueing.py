"""A mailing in one transaction belongs to one month, whatever the clock says in the middle of it."""

import pytest
from sqlalchemy import text

from mailq.core.message import Content
from mailq.engine import enqueueing
from mailq.engine.intake.order import MailingOrder
from mailq.store import partitions

CONTENT = Content(subject="Hi", sender="Shop <shop@x.example>", text="Dear you")
# The first to ask hears the last moment of this month, and everybody after him the first ones of the next.
TURN = """
CREATE SCHEMA turning;
CREATE SEQUENCE turning.asked;
CREATE FUNCTION turning.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$
    SELECT date_trunc('month', now()) + interval '1 month'
           + CASE WHEN nextval('turning.asked') = 1 THEN interval '-1 microsecond' ELSE interval '1 second' END $$;
SET LOCAL search_path = turning, public, pg_catalog
"""


@pytest.fixture
def turn_of_the_month(database):
    """A transaction in which the month ends as soon as somebody has asked for the time."""
    with database.begin() as tx:
        partitions.ensure(tx, months_ahead=1)
        this = tx.execute(text("SELECT date_trunc('month', now())")).scalar_one()
        tx.exec_driver_sql(TURN)
        yield tx, this.year * 12 + this.month - 1


@pytest.mark.parametrize("recipients", [["a@x.example", "b@x.example"], ["a@x.example", "nobody"]])
def test_a_mailing_at_the_turn_of_a_month_is_whole_in_the_month_in_which_it_began(turn_of_the_month, recipients):
    tx, month = turn_of_the_month
    submitted = enqueueing.enqueue(tx, 1, MailingOrder("Sale", CONTENT), recipients)
    mailing_id = tx.execute(text("SELECT id FROM mailing")).scalar_one()
    assert (submitted.created, partitions.month_in(mailing_id)) == (True, month)
    stored = tx.execute(text("SELECT tableoid::regclass::text, address FROM delivery ORDER BY seq")).all()
    assert stored == [(partitions.name_of(month), each) for each in recipients]
