"""A relay's reply as a value."""

import pytest

from mailq.core.outcome import Reply, Stage


@pytest.mark.parametrize(
    ("text", "enhanced"),
    [
        ("5.1.1 no such user", "5.1.1"),
        ("4.7.1", "4.7.1"),
        ("2.1.5 Ok", "2.1.5"),
        ("5.7.515 access denied", "5.7.515"),
        ("no such user 5.1.1", None),
        ("5.1.1no space", None),
        ("5.1.1.1 an address", None),
        ("3.1.1 no class of ours", None),
        ("5.1.1111 too long", None),
        ("", None),
    ],
)
def test_an_enhanced_code_is_one_only_at_the_beginning_of_the_text(text: str, enhanced: str | None) -> None:
    """RFC 3463 section 2: class 2, 4 or 5, subject and detail of one to three digits; anything else is prose."""
    assert Reply(Stage.RCPT, 550, text).enhanced == enhanced


@pytest.mark.parametrize(
    ("code", "text", "shown"),
    [
        (550, "5.1.1 no such user", "550 5.1.1 no such user"),
        (250, "", "250"),
        (0, "no connection within 30 s", "no connection within 30 s"),
    ],
)
def test_a_reply_reads_as_the_relay_wrote_it(code: int, text: str, shown: str) -> None:
    """Where no relay spoke there is no code to show."""
    assert str(Reply(Stage.RCPT, code, text)) == shown
