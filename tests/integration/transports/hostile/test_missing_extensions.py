"""What a relay does not offer is not used, and what needs it is refused without being offered."""

import pytest

from mailq.core.outcome import Accepted, Fault, Rejected, Reply, Stage
from mailq.engine.ports import Letter
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letter
from tests.support.hostile import LOCK_STEP, Peer, Script, well_behaved
from tests.support.trials import trial

EIGHT_BIT = letter(1, content="Subject: x\r\n\r\nü\r\n".encode())
INTERNATIONAL = letter(1, recipient="jürgen@example.com", international=True)
BIG = letter(1, content=b"Subject: x\r\n\r\n" + b"x" * 76 + b"\r\n")


def ehlo_of(*words: str) -> bytes:
    """A reply to EHLO that announces these."""
    lines = ["small.example", *words]
    return b"".join(f"250{'-' if number < len(lines) else ' '}{line}\r\n".encode() for number, line in enumerate(lines, 1))


@pytest.mark.parametrize(
    ("stock", "announced", "code", "fault"),
    [
        (BIG, ("PIPELINING", "SIZE 50"), "552 5.3.4", Fault.CONTENT),
        (EIGHT_BIT, ("PIPELINING", "SMTPUTF8"), "554 5.6.3", Fault.CONTENT),
        (INTERNATIONAL, ("PIPELINING", "8BITMIME"), "553 5.6.7", Fault.RECIPIENT),
    ],
    ids=["size", "8bitmime", "smtputf8"],
)
@in_event_loop
async def test_a_letter_that_the_relay_cannot_take_is_not_offered(
    stock: Letter, announced: tuple[str, ...], code: str, fault: Fault
):
    ending = await trial(well_behaved, stock=[stock, letter(2)], ehlo=ehlo_of(*announced))

    refused = ending.outcomes[1]
    assert isinstance(refused, Rejected)
    assert (f"{refused.reply.code} {refused.reply.enhanced}", refused.reply.stage, refused.fault) == (code, Stage.MAIL, fault)
    assert refused.reply.text.endswith("(mailq)"), "nobody takes it for words of the relay"
    assert ending.kinds == {1: Rejected, 2: Accepted}
    assert ending.relay.commands == [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"QUIT"]


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE many", "SIZE -1", "SIZE 99999999999999999999999"])
@in_event_loop
async def test_a_limit_that_is_none_or_nonsense_limits_nothing(size: str):
    """RFC 1870 section 3: 0 is no limit."""
    ending = await trial(well_behaved, stock=[BIG], ehlo=ehlo_of(size))

    assert ending.kinds == {1: Accepted}


@in_event_loop
async def test_a_relay_without_extensions_hears_of_none():
    ending = await trial(well_behaved, ehlo=LOCK_STEP.replace(b"8BITMIME", b"HELP"))

    assert ending.relay.peers[0].commands[1] == b"MAIL FROM:<news@example.org>\r\n"


def refuses_size(stage: Stage) -> Script:
    """A relay whose limit is smaller than it says."""

    async def script(peer: Peer) -> None:
        await peer.until(stage)
        await peer.say(b"552 5.3.4 message too big\r\n")
        if stage is Stage.MAIL:
            await peer.hear_all("RCPT", "DATA")
            await peer.say(b"503 5.5.1 no\r\n503 5.5.1 no\r\n")
        await peer.accept_rest()

    return script


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.DOT])
@in_event_loop
async def test_552_is_about_the_content_of_its_letter(stage: Stage):
    ending = await trial(refuses_size(stage), stock=[letter(1), letter(2)])

    assert ending.outcomes[1] == Rejected(Reply(stage, 552, "5.3.4 message too big"), Fault.CONTENT)
    assert ending.kinds == {1: Rejected, 2: Accepted}


@in_event_loop
async def test_an_extension_that_is_offered_is_used():
    stock = letter(1, recipient="jürgen@example.com", content="Subject: ü\r\n\r\n".encode(), international=True)
    ending = await trial(well_behaved, stock=[stock])

    assert ending.kinds == {1: Accepted}
    assert ending.relay.peers[0].commands[1] == b"MAIL FROM:<news@example.org> SIZE=15 BODY=8BITMIME SMTPUTF8\r\n"
