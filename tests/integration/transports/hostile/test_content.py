"""Content that could be taken for commands: what arrives is what was sent, byte by byte, or nothing is sent."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailq.core.outcome import Accepted, Fault, Rejected, Stage
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letter, letters
from tests.support.hostile import LOCK_STEP, hostile, well_behaved
from tests.support.trials import sent_by_smtplib, trial

either_way = pytest.mark.parametrize("ehlo", [{}, {"ehlo": LOCK_STEP}], ids=["pipelined", "in lock step"])

AWKWARD = {
    "a leading dot": b".Subject: x\r\n\r\nbody\r\n",
    "leading dots everywhere": b".\r\n..\r\n...\r\n.a\r\n..b\r\n. \r\n",
    "dots of all sorts": b".Subject: dots\r\n..\r\n\r\n.\r\n.first\r\nmid.dle\r\n\r\n..two\r\n.\r\n",
    "an end in the middle": b"Subject: x\r\n\r\nbefore\r\n.\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n",
    "an end at the end": b"Subject: x\r\n\r\nbody\r\n.\r\n",
    "nothing but an end": b"\r\n.\r\n",
    "nothing but a dot": b".",
    "no line end": b"Subject: x\r\n\r\nno line end",
    "no line end behind a dot": b"Subject: x\r\n\r\n.",
    "empty": b"",
    "an empty line": b"\r\n",
    "empty lines at the end": b"Subject: x\r\n\r\nbody\r\n\r\n\r\n\r\n",
    "a line of 998 octets": b"Subject: x\r\n\r\n" + b"x" * 998 + b"\r\n",
    "a line of 10,000 octets": b"Subject: x\r\n\r\n" + b"x" * 10_000 + b"\r\n",
    "a dot behind 998 octets": b"Subject: x\r\n\r\n" + b"x" * 998 + b"\r\n.\r\n",
    "eight-bit bytes": b"Subject: x\r\n\r\n" + bytes(byte for byte in range(256) if byte not in b"\r\n") + b"\r\n",
    "NULs": b"Subject: x\r\n\r\n\x00\x00\r\n.\x00\r\n",
    "large": b"Subject: x\r\n\r\n" + b".\r\n..\r\n" * 20_000,
}
"""Sound line ends, and yet."""

SMUGGLED = {
    "a lone LF": b"Subject: x\r\n\r\na\nb\r\n",
    "a lone CR": b"Subject: x\r\n\r\na\rb\r\n",
    "an end in LFs": b"Subject: x\r\n\r\na\n.\nMAIL FROM:<evil@example.org>\r\n",
    "an end in LF and CRLF": b"Subject: x\r\n\r\na\n.\r\nMAIL FROM:<evil@example.org>\r\n",
    "an end in CRLF and LF": b"Subject: x\r\n\r\na\r\n.\nMAIL FROM:<evil@example.org>\r\n",
    "an end in CRs": b"Subject: x\r\n\r\na\r.\rMAIL FROM:<evil@example.org>\r\n",
    "a CR too many": b"Subject: x\r\n\r\na\r\r\n.\r\n",
    "LF and CR exchanged": b"Subject: x\n\r\n\rbody\n\r",
    "a CR at the end": b"Subject: x\r\n\r\nbody\r",
    "an LF at the beginning": b"\nSubject: x\r\n\r\nbody\r\n",
}
"""What one relay takes for a line end and another does not (RFC 5321 section 2.3.8)."""


@either_way
@in_event_loop
async def test_awkward_content_arrives_byte_by_byte(ehlo: dict[str, bytes]):
    """`books_agree` compares every content; the relay would have heard more commands, had one of them leaked."""
    stock = [letter(seq, content=content) for seq, content in enumerate(AWKWARD.values(), 1)]

    ending = await trial(well_behaved, stock=stock, **ehlo)

    assert ending.kinds == dict.fromkeys(range(1, len(stock) + 1), Accepted)
    assert ending.relay.commands == [b"EHLO", *[b"MAIL", b"RCPT", b"DATA"] * len(stock), b"QUIT"]


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in AWKWARD.items()])
@in_event_loop
async def test_smtplib_sends_the_same_bytes(content: bytes):
    ours = await trial(well_behaved, stock=[letter(content=content)])
    async with hostile(well_behaved) as theirs:
        await sent_by_smtplib(theirs, letter(content=content))

    assert ours.relay.bodies == theirs.bodies


@in_event_loop
async def test_a_bare_cr_or_lf_is_not_sent():
    stock = [letter(seq, content=content) for seq, content in enumerate(SMUGGLED.values(), 1)]

    ending = await trial(well_behaved, stock=[*stock, letter(100)])

    for letter_ in stock:
        outcome = ending.outcomes[letter_.seq]
        assert isinstance(outcome, Rejected)
        assert (outcome.reply.stage, outcome.reply.enhanced, outcome.fault) == (Stage.BODY, "5.6.0", Fault.CONTENT)
    assert ending.relay.commands == [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"], "of the sound letter alone"


pieces = st.sampled_from([b"\r\n", b".", b"..", b"\r\n.\r\n", b"\r\n.", b"x", b"QUIT", b"y" * 100, b"\xff", b"=\r\n"])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(pieces, max_size=12).map(b"".join), min_size=1, max_size=8))
def test_whatever_is_made_of_such_pieces_arrives_byte_by_byte(contents: list[bytes]):
    async def carry() -> None:
        ending = await trial(well_behaved, stock=[letter(seq, content=content) for seq, content in enumerate(contents, 1)])
        assert set(ending.kinds.values()) == {Accepted}

    asyncio.run(carry())


@pytest.mark.parametrize(
    "change",
    [
        {"recipient": "a@b>\r\nRCPT TO:<victim@example.org"},
        {"recipient": "a@b\r\nDATA"},
        {"recipient": "a b@example.com"},
        {"recipient": "a@b> NOTIFY=NEVER"},
        {"recipient": "a@b\x00"},
        {"recipient": ""},
        {"recipient": "a@" + "b" * 300},
        {"sender": "a@b>\r\nRCPT TO:<victim@example.org"},
        {"sender": "a@b> SIZE=1"},
        {"sender": "a@b\u2028"},
    ],
    ids=repr,
)
@in_event_loop
async def test_an_address_that_could_speak_smtp_is_not_sent(change: dict[str, str]):
    ending = await trial(well_behaved, stock=[letter(1, **change), *letters(2)[1:]])

    assert ending.kinds == {1: Rejected, 2: Accepted}
    assert ending.relay.commands == [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"]
