"""Relays that play a script: one coroutine per connection, so that a test says exactly what a relay does and when.

`Peer.until(stage)` plays a well-behaved relay up to the moment where that stage's reply is due. What a relay takes it keeps, under
the recipient's address, so that its books can be compared with ours.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from mailq.core.outcome import Stage
from tests.support.waiting import turn

EHLO = (
    b"250-hostile.example\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n"
)
OFFERING = b"250-hostile.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
LOCK_STEP = b"250-hostile.example\r\n250 8BITMIME\r\n"


@dataclass
class Peer:
    """The relay's end of one connection.

    Attributes:
        bodies: every content read to its dot, still stuffed.
        commands: every line heard that is not content.
        kept: what this relay has taken on itself to deliver, by recipient.
        recipient: whom RCPT named last.
        encrypted: TLS is on.
        over: set when the client has nothing more to say.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    ehlo: bytes = EHLO
    bodies: list[bytes] = field(default_factory=list)
    commands: list[bytes] = field(default_factory=list)
    kept: list[tuple[str, bytes]] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    recipient: str = ""
    encrypted: bool = False
    _message: tuple[str, bytes] = ("", b"")

    async def say(self, data: bytes) -> None:
        """Send at once."""
        self.writer.write(data)
        await self.writer.drain()

    async def segment(self, data: bytes) -> None:
        """Send in a segment of its own: what is said next leaves a turn of the event loop later."""
        await self.say(data)
        await turn()

    async def drip(self, data: bytes, size_bytes: int = 1) -> None:
        """Send byte by byte, or in pieces of this size, each in a segment of its own."""
        for start in range(0, len(data), size_bytes):
            await self.segment(data[start : start + size_bytes])

    async def trickle(self, data: Iterable[int], pause: timedelta) -> None:
        """Send byte by byte with a pause after each, until there are no more or the client is done."""
        with suppress(ConnectionError):
            for byte in data:
                await self.say(bytes([byte]))
                if await self.over_within(pause):
                    return

    async def over_within(self, pause: timedelta) -> bool:
        """Wait so long; whether the client was done by then."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), pause.total_seconds())
        return self.over.is_set()

    async def hear(self, word: str) -> bytes:
        """Read one command and insist on its first word."""
        line = await self.reader.readline()
        assert line.upper().startswith(word.encode()), f"expected {word}, heard {line!r}"
        self.note(line)
        return line

    async def hear_all(self, *words: str) -> None:
        """Read commands that come in this order."""
        for word in words:
            await self.hear(word)

    async def hear_nothing(self) -> None:
        """Insist that the client says no more, and goes."""
        heard = await self.reader.read()
        assert not heard, f"expected nothing, heard {heard[:200]!r}"

    async def hear_of(self, *ends: bytes) -> None:
        """Read until the last line heard is one of these, or the client has gone."""
        heard = b"\n"
        while heard and not heard.endswith(ends):
            heard = await self.reader.readline()

    def note(self, line: bytes) -> None:
        """A command was read."""
        self.commands.append(line)
        if line.upper().startswith(b"RCPT TO:<"):
            self.recipient = line[9:].partition(b">")[0].decode()

    async def hear_body(self) -> bytes:
        """Read content up to and including the final dot."""
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise ConnectionResetError("the client went away in the middle of a body")
            lines.append(line)
        return self.note_body(b"".join(lines))

    def note_body(self, body: bytes) -> bytes:
        """Content was read to its dot, for the recipient that was named last."""
        self.bodies.append(body)
        self._message = (self.recipient, body)
        return body

    def keep(self) -> None:
        """Take the message just read: from here on this relay will deliver it, whatever it answers."""
        self.kept.append(self._message)

    async def accept(self, answer: bytes = b"250 2.0.0 accepted\r\n") -> None:
        """Take the message just read, and say so."""
        self.keep()
        await self.say(answer)

    def close(self) -> None:
        """FIN."""
        self.writer.close()

    def close_half(self) -> None:
        """FIN, and go on reading: what was said before is surely heard."""
        # The client may have gone before.
        with suppress(OSError):
            self.writer.write_eof()

    def reset(self) -> None:
        """RST."""
        raw = self.writer.get_extra_info("socket")
        # The client may have gone before.
        with suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def stall(self) -> None:
        """Say nothing more until the client goes away."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass

    async def until(self, stage: Stage) -> None:
        """Behave up to the reply that is due at this stage. `BODY`: the content has been asked for, not read."""
        if stage is Stage.GREETING:
            return
        await self.say(b"220 hostile.example ESMTP\r\n")
        await self.hear("EHLO")
        if stage is not Stage.HELLO:
            await self.say(self.ehlo)
            await self.until_again(stage)

    async def until_again(self, stage: Stage) -> None:
        """The same for a further letter of the session."""
        await self.hear("MAIL")
        if stage is Stage.MAIL:
            return
        await self.say(b"250 2.1.0 sender ok\r\n")
        await self.hear("RCPT")
        if stage is Stage.RCPT:
            return
        await self.say(b"250 2.1.5 recipient ok\r\n")
        await self.hear("DATA")
        if stage is Stage.DATA:
            return
        await self.say(b"354 go ahead\r\n")
        if stage is not Stage.BODY:
            await self.hear_body()

    async def another(self) -> bool:
        """Read the MAIL of a further letter; False when the client ends the session instead."""
        line = await self.reader.readline()
        assert line[:4].upper() in (b"MAIL", b"QUIT", b""), f"expected MAIL or the end, heard {line!r}"
        self.note(line)
        return line.upper().startswith(b"MAIL")

    async def accept_rest(self) -> None:
        """Behave from here (a MAIL is due) to the end of the session."""
        while line := await self.reader.readline():
            self.note(line)
            word = line[:4].upper()
            if word == b"DATA":
                await self.say(b"354 go ahead\r\n")
                await self.hear_body()
                await self.accept()
            elif word == b"QUIT":
                await self.say(b"221 2.0.0 bye\r\n")
                return
            else:
                await self.say(b"250 2.0.0 ok\r\n")


Script = Callable[[Peer], Awaitable[None]]
Misdeed = Callable[[Peer], Awaitable[None]]


def at(stage: Stage, misdeed: Misdeed) -> Script:
    """A relay that behaves up to a stage and misbehaves there."""

    async def script(peer: Peer) -> None:
        await peer.until(stage)
        await misdeed(peer)

    return script


def says(*answers: bytes) -> Misdeed:
    """The misdeed of saying this, each in a segment of its own, and nothing more."""

    async def misdeed(peer: Peer) -> None:
        for answer in answers:
            await peer.segment(answer)
        await peer.stall()

    return misdeed


async def closes(peer: Peer) -> None:
    """FIN, without a word."""
    peer.close()


async def resets(peer: Peer) -> None:
    """RST."""
    peer.reset()


async def stalls(peer: Peer) -> None:
    """Nothing at all."""
    await peer.stall()


async def well_behaved(peer: Peer) -> None:
    """A relay that accepts everything."""
    await peer.say(b"220 kind.example ESMTP\r\n")
    await peer.hear("EHLO")
    await peer.say(peer.ehlo)
    await peer.accept_rest()


def certified_by(path: Path) -> ssl.SSLContext:
    """The relay's side of TLS, with a certificate and its key out of one file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def upgrading(context: ssl.SSLContext, ehlo: bytes = EHLO, *, offering: bytes = OFFERING, rest: bool = True) -> Script:
    """A relay that offers STARTTLS, upgrades, announces `ehlo` then, and accepts the rest."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(offering)
        await peer.hear("STARTTLS")
        await peer.say(b"220 go ahead\r\n")
        await peer.writer.start_tls(context)
        peer.encrypted = True
        await peer.hear("EHLO")
        await peer.say(ehlo)
        if rest:
            await peer.accept_rest()

    return script


@dataclass
class HostileRelay:
    """A listening relay; `peers` are its connections so far, in order. Set `over` when the client is done with it."""

    port: int
    peers: list[Peer] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def kept(self) -> list[tuple[str, bytes]]:
        """Every message taken, by recipient."""
        return [message for peer in self.peers for message in peer.kept]

    @property
    def commands(self) -> list[bytes]:
        """The first four letters of every command of every connection."""
        return [command[:4].upper().strip() for peer in self.peers for command in peer.commands]

    @property
    def bodies(self) -> list[bytes]:
        """Every body read to its dot, still stuffed."""
        return [body for peer in self.peers for body in peer.bodies]


async def _ended(playing: set[asyncio.Task[None]], *, within: float) -> set[asyncio.Task[None]]:
    """Wait for the scripts to end; those that have not."""
    return (await asyncio.wait(playing, timeout=within))[1] if playing else set()


@asynccontextmanager
async def hostile(*scripts: Script, ehlo: bytes = EHLO, tls: ssl.SSLContext | None = None) -> AsyncIterator[HostileRelay]:
    """A relay whose connections play the scripts in order, the last one for all further connections.

    A script that fails (the client said what it should not) fails the test.
    """
    relay = HostileRelay(port=0)

    playing: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        playing.add(task)
        peer = Peer(reader, writer, ehlo=ehlo, over=relay.over, encrypted=tls is not None)
        script = scripts[min(len(relay.peers), len(scripts) - 1)]
        relay.peers.append(peer)
        try:
            await script(peer)
        except (ConnectionError, ssl.SSLError):
            pass
        except Exception as error:  # noqa: BLE001, whatever a script finds wrong fails the test
            relay.errors.append(error)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        relay.over.set()
        server.close()
        # A client that has gone is seen to have gone; only then are the scripts' own connections closed.
        await _ended(playing, within=1.0)
        for peer in relay.peers:
            peer.writer.close()
        for task in await _ended(playing, within=2.0):
            task.cancel()
        await server.wait_closed()
    assert not relay.errors, relay.errors
