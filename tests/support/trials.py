"""A carry against a hostile relay, timed, and the books of both sides compared."""

import asyncio
import re
import smtplib
import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta

from mailq.core.outcome import Accepted, Deferred, Doubt, Fault, Outcome, Rejected, Stage, Unknown
from mailq.engine.ports import Letter, RelayFault
from mailq.transports.smtp import SmtpOptions, SmtpWire
from tests.support.feeds import BookFeed, letter, letters
from tests.support.hostile import EHLO, HostileRelay, Misdeed, Script, at, hostile

SHORT = timedelta(milliseconds=300)
PATIENT = timedelta(seconds=20)
"""Every deadline that a test does not set: an outcome that came by it came too late."""


OPENING = [Stage.GREETING, Stage.HELLO]
ENVELOPE = [Stage.MAIL, Stage.RCPT, Stage.DATA]
DEADLINES = dict.fromkeys([*OPENING, Stage.MAIL, Stage.RCPT], "command_timeout") | {
    Stage.DATA: "data_timeout",
    Stage.BODY: "block_timeout",
    Stage.DOT: "dot_timeout",
}
"""Which option is the deadline of a stage."""


@dataclass(frozen=True)
class Ending:
    """How a carry ended. Its books balance and agree with the relay's, or it would not be here."""

    relay: HostileRelay
    feed: BookFeed
    fault: RelayFault | None
    seconds: float

    @property
    def outcomes(self) -> dict[int, Outcome]:
        """What was reported, by seq."""
        return self.feed.outcomes

    @property
    def given_back(self) -> list[int]:
        """The seqs that came back, each as often as it did."""
        return self.feed.given_back

    @property
    def kinds(self) -> dict[int, type[Outcome]]:
        """What was reported, without the replies."""
        return {seq: type(outcome) for seq, outcome in sorted(self.outcomes.items())}

    def came_by(self, deadline: timedelta, *, times: int = 1) -> bool:
        """Whether it came by this deadline, so often in a row, and by none of the patient ones."""
        return times * deadline.total_seconds() - 0.05 <= self.seconds < PATIENT.total_seconds() / 2

    @property
    def came_at_once(self) -> bool:
        """Whether it came by no deadline."""
        return self.seconds < PATIENT.total_seconds() / 2


async def trial(
    *scripts: Script,
    feed: BookFeed | None = None,
    stock: Sequence[Letter] | None = None,
    again: bool = False,
    ehlo: bytes = EHLO,
    certificate: ssl.SSLContext | None = None,
    **options: object,
) -> Ending:
    """Carry one plain letter, or these, to a relay that plays these scripts; over one session and with patience unless told otherwise.

    Raises:
        AssertionError: a letter was lost or doubled, or the books disagree with the relay's.
    """
    feed = feed or BookFeed(letters(1) if stock is None else stock, again=again)
    loop = asyncio.get_running_loop()
    fault = None
    async with hostile(*scripts, ehlo=ehlo, tls=certificate) as relay:
        wire = wire_to(relay, **options)
        began = loop.time()
        try:
            await wire.carry(feed)
        except RelayFault as error:
            fault = error
        seconds = loop.time() - began
        relay.over.set()
        await wire.close()
    books_agree(feed, relay)
    return Ending(relay, feed, fault, seconds)


async def at_every_stage(
    misdeed: Misdeed, reason: str, *, doubt: Doubt = Doubt.RELAY_CLOSED, deadline: timedelta | None = None, ehlo: bytes = EHLO
) -> None:
    """Commit a misdeed that ends the session at each stage, side by side, and insist on the judgement that the stage asks for.

    In the opening the relay is at fault. After it, the letter is given back, and put off when it has broken two new sessions. Past its dot
    it is in doubt. `reason` is a pattern for what our books say; `deadline` the one by which a relay is found out that does nothing.
    """
    stages = [*OPENING, *ENVELOPE, Stage.DOT]
    endings = await asyncio.gather(
        *(
            trial(at(stage, misdeed), again=True, ehlo=ehlo, **({} if deadline is None else {DEADLINES[stage]: deadline}))
            for stage in stages
        )
    )
    for stage, ending in zip(stages, endings, strict=True):
        _judged(stage, ending, reason, doubt)
        times = 2 if stage in ENVELOPE else 1
        assert ending.came_at_once if deadline is None else ending.came_by(deadline, times=times), (stage, ending.seconds)


def _judged(stage: Stage, ending: Ending, reason: str, doubt: Doubt) -> None:
    if stage is Stage.DOT:
        assert ending.outcomes == {1: Unknown(doubt)}
        assert len(ending.relay.bodies) == 1
        return
    assert not ending.relay.bodies, stage
    assert ending.given_back == [1], stage
    if stage in OPENING:
        assert not ending.outcomes
        assert re.fullmatch(rf"relay 127\.0\.0\.1:\d+: {stage}: ({reason})", str(ending.fault)), ending.fault
        return
    outcome = ending.outcomes[1]
    assert isinstance(outcome, Deferred)
    assert (outcome.fault, outcome.reply.stage, outcome.reply.code) == (Fault.RELAY, stage, 421)
    assert re.fullmatch(rf"4\.4\.2 ({reason}) \(mailq\)", outcome.reply.text), outcome.reply.text
    assert ending.fault is None


def wire_to(relay: HostileRelay, **options: object) -> SmtpWire:
    """A wire of one session whose deadlines are all patient, but as the options say."""
    patient = dict.fromkeys((field.name for field in fields(SmtpOptions) if field.name.endswith(("_timeout", "_limit"))), PATIENT)
    facts = patient | {"host": "127.0.0.1", "sessions": 1, "quit_timeout": timedelta(milliseconds=50)} | options
    return SmtpWire(SmtpOptions(port=relay.port, **facts))  # type: ignore[arg-type]


def books_agree(feed: BookFeed, relay: HostileRelay) -> None:
    """What must hold however a relay behaves.

    Accepted by the relay is a subset of sent or in doubt; sent is a subset of accepted; nothing is accepted twice; what is accepted is
    what was sent, byte by byte; each letter taken was reported or given back, each time exactly once.
    """
    assert feed.balanced
    sent = {feed.stock[seq].recipient for seq, outcome in feed.outcomes.items() if isinstance(outcome, Accepted)}
    in_doubt = {feed.stock[seq].recipient for seq, outcome in feed.outcomes.items() if isinstance(outcome, Unknown)}
    kept = Counter(recipient for recipient, _ in relay.kept)
    assert set(kept) <= sent | in_doubt, f"the relay took what is not on the books: {set(kept) - sent - in_doubt}"
    assert sent <= set(kept), f"on the books as sent, but the relay never took it: {sent - set(kept)}"
    assert max(kept.values(), default=1) == 1, f"taken twice: {kept}"
    contents = {letter.recipient: letter.content for letter in feed.stock.values()}
    for recipient, body in relay.kept:
        assert unstuffed(body) == with_line_end(contents[recipient])


def unstuffed(body: bytes) -> bytes:
    """The content that a relay makes of a body (RFC 5321 section 4.5.2)."""
    lines = body.split(b"\r\n")
    return b"\r\n".join(line.removeprefix(b".") for line in lines)


def with_line_end(content: bytes) -> bytes:
    """The content as SMTP can carry it: it ends in CRLF."""
    return content if content.endswith(b"\r\n") else content + b"\r\n"


def code_of(outcome: Outcome | None) -> int | None:
    """The relay's verdict in an outcome: the code of its reply, None where it came to no answer."""
    match outcome:
        case Accepted(reply) | Deferred(reply) | Rejected(reply):
            return reply.code
        case _:
            return None


async def code_by_smtplib(script: Script, *, ehlo: bytes = EHLO, timeout: timedelta = PATIENT) -> int | None:
    """What smtplib makes of the same script: the code that it takes for the relay's verdict, None where it came to no answer."""
    async with hostile(script, ehlo=ehlo) as relay:
        return await sent_by_smtplib(relay, letter(), timeout=timeout)


async def sent_by_smtplib(relay: HostileRelay, letter: Letter, *, timeout: timedelta = PATIENT) -> int | None:
    """Send a letter with smtplib; see `code_by_smtplib`."""
    try:
        return await asyncio.to_thread(_send_by_smtplib, relay.port, letter, timeout.total_seconds())
    finally:
        relay.over.set()


def _send_by_smtplib(port: int, letter: Letter, timeout: float) -> int | None:
    client = None
    try:
        client = smtplib.SMTP("127.0.0.1", port, timeout=timeout)
        client.sendmail(letter.sender, [letter.recipient], letter.content)
    except smtplib.SMTPRecipientsRefused as error:
        return error.recipients[letter.recipient][0]
    except smtplib.SMTPResponseException as error:
        return error.smtp_code if error.smtp_code >= 400 else None
    except OSError:  # SMTPException is one
        return None
    else:
        return 250
    finally:
        if client is not None:
            client.close()
