"""A template that was found good at submit fails while the mailing is sent: recipient by recipient, and nobody else is held up."""

import pytest
from sqlalchemy import select

from mailq.core.delivery import State
from mailq.core.message import Content
from mailq.store.tables import delivery
from tests.scenarios.ledgers import ledgers_agree
from tests.support.waiting import eventually

POISONS = {
    "it divides by nothing": "{{ 10 // (name | length - 6) }}",
    "it has no end": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "it is too long": "{% for a in range(9999) %}{{ name * 9999 }}{% endfor %}",
}


@pytest.mark.parametrize(
    "poison",
    [  # what ends a rendering is told apart in tests/unit/core/message; here one is enough every day
        pytest.param(poison, id=name, marks=() if name == "it has no end" else pytest.mark.slow)
        for name, poison in POISONS.items()
    ],
)
def test_a_recipient_whose_mail_cannot_be_made_is_an_error_and_the_others_get_theirs(
    submit, start_server, sink, database, poison
):
    """Nothing of it leaves; the reply says why in words."""
    start_server()
    text = f"Dear customer,{{% if name == 'Name 7' %}}{poison}{{% endif %}}"
    posted = submit(60, batch_size=30, content=Content(subject="Hello", sender="shop@mailq.example", text=text))

    eventually(lambda: posted.finished, within=30)

    books = ledgers_agree(posted, sink)
    assert (books.num_sent, books.num_errors) == (59, 1)
    with database.begin() as tx:
        failed = tx.execute(select(delivery.c.address, delivery.c.reply).where(delivery.c.state == State.ERROR)).one()
    assert failed.address == "r7@example.com"
    assert failed.reply.startswith("cannot be made: ")
