"""The letters of a mailing: whose envelope they go in."""

from datetime import UTC, datetime

import pytest

from mailq.core.delivery import State
from mailq.core.mailing import Lane
from mailq.core.message import Content
from mailq.core.verp import Verp
from mailq.engine.letters import LetterPress
from mailq.engine.ports import Letter
from mailq.store.content import MailingFacts
from mailq.store.deliveries import Work

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
CONTENT = Content(subject="Hello", sender="Shop <shop@example.org>", text="Dear {{ name }}\n")
FACTS = MailingFacts(26745, "mlg_7fk2", "Sale", Lane.BULK, CONTENT.as_mapping(), NOW, 1)


def letter(bounce_address: str | None, seq: int) -> Letter:
    press = LetterPress("secret", domain=None, clock=lambda: 0.0, bounce_address=bounce_address)
    made = press.maker(FACTS, NOW)(Work(seq, "ann@x.example", {"name": "Ann"}, 0, State.PENDING))
    assert isinstance(made, Letter)
    return made


def test_the_envelope_sender_is_the_sender_s_own_address() -> None:
    assert letter(None, 7).sender == "shop@example.org"


def test_a_notice_about_a_letter_names_its_mailing_and_its_place_in_it() -> None:
    assert letter(None, 7).envelope_id == "mlg_7fk2.7"


@pytest.mark.parametrize("seq", [1, 7])
def test_with_a_bounce_address_each_delivery_has_an_envelope_sender_of_its_own(seq: int) -> None:
    made = letter("bounces@example.com", seq)

    assert Verp("bounces@example.com", "secret").read(made.sender) == (26745, seq)
    assert made == letter("bounces@example.com", seq)
    assert b"From: Shop <shop@example.org>\r\n" in made.content
