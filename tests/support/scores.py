"""A relay that plays a score: whatever it hears, its next words stand written. What fuzzing makes, and what is kept of it.

A score is bytes; `SEPARATOR` ends a move. The first is played unasked, each further one when a line or a final dot has been heard, or
when the client waits. A move is said as it stands, but for `CLOSE` and `RESET`. After the last the relay closes.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

from mailq.core.outcome import Accepted, Deferred, Rejected, Reply, Stage, Unknown
from mailq.engine.ports import RelayFault
from mailq.transports.smtp.replies import MAX_LINE_BYTES, MAX_REPLY_BYTES, MAX_REPLY_LINES, GarbledReply, RawReply, ReplyParser
from tests.support.feeds import BookFeed, letter, letters
from tests.support.hostile import Peer, hostile
from tests.support.trials import DEADLINES, wire_to

SEPARATOR, CLOSE, RESET = b"\x1c", b"\x04", b"\x18"
QUIET = timedelta(milliseconds=2)
LARGE = b"Subject: large\r\n\r\n" + (b"." * 76 + b"\r\n") * 500

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:(?P<mark>[ -])(?P<text>.*))?", re.DOTALL)


def replies_in(stream: bytes) -> tuple[list[RawReply], bool]:
    """What a stream of replies says, and whether it goes wrong after that: RFC 5321 section 4.2 in slow motion."""
    *lines, rest = stream.split(b"\n")
    replies: list[RawReply] = []
    begun: list[tuple[bytes, bytes]] = []
    for line in (line.removesuffix(b"\r") for line in lines):
        found = _LINE.fullmatch(line)
        if found is None or len(line) > MAX_LINE_BYTES or (begun and begun[0][0] != found[1]):
            return replies, True
        begun.append((found[1], found["text"] or b""))
        size_bytes = sum(4 + len(text) for _, text in begun) - (found["mark"] is None)
        too_long = len(begun) > MAX_REPLY_LINES or size_bytes > MAX_REPLY_BYTES
        if too_long and (found["mark"] == b"-" or len(begun) > 1):
            return replies, True
        if found["mark"] != b"-":
            replies.append(RawReply(int(found[1]), b"\n".join(text for _, text in begun)))
            begun = []
    return replies, len(rest) > MAX_LINE_BYTES + 1


def parsed(pieces: Iterator[bytes]) -> tuple[list[RawReply], bool]:
    """What the parser makes of a stream in pieces, and whether it gave up."""
    parser, replies = ReplyParser(), []
    try:
        for piece in pieces:
            replies += parser.feed(piece)
    except GarbledReply as fault:
        return replies + fault.before, True
    return replies, False


def check_replies(stream: bytes) -> None:
    """However it is cut, a stream holds the same replies, and they are those that the RFC finds in it."""
    expected = replies_in(stream)
    half = len(stream) // 2
    assert parsed(iter([stream])) == expected
    assert parsed(iter([stream[:half], stream[half:]])) == expected
    assert parsed(bytes([byte]) for byte in stream) == expected


class Score:
    """A score, and what was said of it on each connection that it was played on."""

    def __init__(self, moves: bytes) -> None:
        self._moves = moves.split(SEPARATOR)
        self.said: list[bytearray] = []

    async def play(self, peer: Peer) -> None:
        """Play it on one connection: a `Script`."""
        self.said.append(bytearray())
        player = _Player(peer, self.said[-1])
        for move in self._moves:
            if move in (CLOSE, RESET):
                if move == RESET:
                    peer.reset()
                return
            await player.say(move)
            await player.listen()


class _Player:
    """One connection: keeps a message if its answer to the dot begins with a 2."""

    def __init__(self, peer: Peer, said: bytearray) -> None:
        self._peer, self._said = peer, said
        self._content: list[bytes] | None = None
        self._owes = ""

    async def say(self, move: bytes) -> None:
        if move and self._owes == "DATA" and move.startswith(b"3"):
            self._content = []
        elif move.startswith(b"2") and self._owes == "dot":
            self._peer.keep()
        if move:
            self._owes = ""
        self._said += move
        await self._peer.say(move)

    async def listen(self) -> None:
        """Hear one line, or content to its dot, or that the client waits."""
        while line := await self._line():
            if self._content is None:
                self._peer.note(line)
                self._owes = line[:4].upper().decode("ascii", "replace")
                return
            if line == b".\r\n":
                self._peer.note_body(b"".join(self._content))
                self._content, self._owes = None, "dot"
                return
            self._content.append(line)

    async def _line(self) -> bytes:
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET.total_seconds()):
                return await self._peer.reader.readline()
        return b""


async def check_session(moves: bytes) -> BookFeed:
    """Carry three letters to a relay that plays this score, and compare its words with our books. The carry must end by itself.

    One of them is large; with AUTH in the score there is a password to be said.

    A relay that says more than it is asked can make anybody believe that it took what it did not, so that is not checked here.
    """
    score, feed, faults = Score(moves), BookFeed([*letters(2), letter(3, LARGE)]), list[object]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    async with hostile(score.play) as relay:
        waits = dict.fromkeys((*DEADLINES.values(), "connect_timeout", "quit_timeout"), timedelta(milliseconds=200))
        user = {"username": "me", "password": "s3cret", "plaintext_auth": True} if b"AUTH" in moves else {}
        wire = wire_to(relay, **waits, **user)
        with suppress(RelayFault):
            await asyncio.wait_for(wire.carry(feed), 10)
        relay.over.set()
        await wire.close()
    assert feed.balanced
    assert not faults, faults
    said = [_as_replies(words) for words in score.said]
    for outcome in feed.outcomes.values():
        assert isinstance(outcome, Unknown) or _was_said(outcome, said), (outcome, score.said)
    assert sum(isinstance(outcome, Unknown) for outcome in feed.outcomes.values()) <= len(relay.peers)
    for peer, replies in zip(relay.peers, said, strict=True):
        _kept_are_on_the_books(peer, replies, feed)
    return feed


def _as_replies(words: bytearray) -> list[RawReply]:
    return replies_in(bytes(words))[0]


def _was_said(outcome: Accepted | Rejected | Deferred, said: list[list[RawReply]]) -> bool:
    reply: Reply = outcome.reply
    if isinstance(outcome, Accepted):
        # Greeting, EHLO, MAIL, RCPT, DATA, dot.
        return reply.stage is Stage.DOT and any(len(replies) >= 6 for replies in said)
    return reply.text.endswith("(mailq)") or any(heard.code == reply.code for replies in said for heard in replies)


def _kept_are_on_the_books(peer: Peer, replies: list[RawReply], feed: BookFeed) -> None:
    if any(reply.code >= 400 for reply in replies):
        return
    by_recipient = {letter.recipient: feed.outcomes.get(seq) for seq, letter in feed.stock.items()}
    for recipient, _ in peer.kept:
        assert isinstance(by_recipient[recipient], Accepted | Unknown), (recipient, by_recipient)
