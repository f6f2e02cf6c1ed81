"""What is no SMTP reply ends the session: what belongs to what cannot be known any more."""

import asyncio

import pytest

from mailq.core.outcome import Accepted, Reply, Stage
from tests.support.asynchronous import in_event_loop
from tests.support.hostile import Peer, at, says
from tests.support.trials import at_every_stage, code_by_smtplib, trial


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"what do you want?\r\n", id="no code"),
        pytest.param(b"\r\n", id="an empty line"),
        pytest.param(b"25O 2.0.0 ok\r\n", id="a letter in the code"),
        pytest.param("٢٥٠ ok\r\n".encode(), id="digits of another script"),
        pytest.param(b"2500 ok\r\n", id="four digits"),
        pytest.param(b"+25 ok\r\n", id="a sign"),
        pytest.param(b"150 ok\r\n", id="a code SMTP does not have"),
        pytest.param(b"999 ok\r\n", id="a code nobody has"),
        pytest.param(b"\x00\x00\x00\x00\r\n", id="NULs"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", id="a TLS handshake"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="another protocol"),
        pytest.param(b"250-yes\r\n550 no\r\n", id="lines that contradict each other"),
        pytest.param(b"250-yes\r\nand more\r\n250 yes\r\n", id="a continuation without its code"),
    ],
)
@in_event_loop
async def test_what_is_no_reply_ends_the_session_at_every_stage(garbage: bytes):
    await at_every_stage(says(garbage), "not an SMTP reply: .*")


@in_event_loop
async def test_nul_and_other_bytes_in_the_text_of_a_reply_do_no_harm():
    """Nobody's terminal or table sees them."""
    text = b"250 2.0.0 \x00\x1b[2J\xff\xfe\x07 taken \xc3\xbc\r\n"

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.accept(text)
        await peer.stall()

    ending = await trial(script)

    [outcome] = ending.outcomes.values()
    assert isinstance(outcome, Accepted)
    assert outcome.reply.text.isprintable()
    assert outcome.reply.text.endswith("taken ü")
    assert outcome.reply.stage is Stage.DOT


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@in_event_loop
async def test_replies_that_end_in_a_bare_line_feed_are_understood(end: bytes):
    """As smtplib and every other client does."""

    async def script(peer: Peer) -> None:
        await peer.say(b"220 sloppy" + end)
        await peer.hear("EHLO")
        await peer.say(b"250-sloppy" + end + b"250 8BITMIME" + end)
        for word in ("MAIL", "RCPT"):
            await peer.hear(word)
            await peer.say(b"250 ok" + end)
        await peer.hear("DATA")
        await peer.say(b"354 go" + end)
        await peer.hear_body()
        await peer.accept(b"250 taken" + end)
        await peer.stall()

    ending, code = await asyncio.gather(trial(script), code_by_smtplib(script))

    assert ending.outcomes == {1: Accepted(Reply(Stage.DOT, 250, "taken"))}
    assert code == 250


@in_event_loop
async def test_a_bare_carriage_return_ends_no_line():
    ending = await trial(at(Stage.RCPT, says(b"550 5.1.1 no\r250 yes\r\n", b"503 5.5.1 no recipient\r\n")))

    [outcome] = ending.outcomes.values()
    assert outcome.reply == Reply(Stage.RCPT, 550, "5.1.1 no 250 yes")  # type: ignore[union-attr]
