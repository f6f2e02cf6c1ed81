"""From nothing to a session that may carry letters: connect, greeting, EHLO, STARTTLS, AUTH."""

import asyncio
import socket
import ssl

from mailq.core.outcome import Stage
from mailq.transports.smtp.authentication import authenticate
from mailq.transports.smtp.connection import Connection
from mailq.transports.smtp.extensions import Extensions
from mailq.transports.smtp.failures import NoHandshake, NoSession, shown, why
from mailq.transports.smtp.options import SmtpOptions
from mailq.transports.smtp.replies import RawReply
from mailq.transports.smtp.security import Tls


def readable(raw: bytes) -> str:
    """A reply's text as one printable line of at most 500 characters."""
    text = raw.decode("utf-8", "replace")
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return text[:500].strip()


async def opened(options: SmtpOptions) -> tuple[Connection, Extensions]:
    """An open session's connection, and what the relay offers over it.

    Raises:
        NoSession: it could not be opened.
    """
    try:
        return await Opening(options).open()
    except NoHandshake:
        # In the clear a guarded password would be kept back: what went wrong is the handshake.
        if options.tls is not Tls.OPPORTUNISTIC or options.guards_password:
            raise
    # RFC 7435: an opportunity that came to nothing leaves us where we would be without it.
    return await Opening(options.in_the_clear()).open()


class Opening:
    """Listens to a connection while it is being opened: one question, one answer."""

    def __init__(self, options: SmtpOptions) -> None:
        self.options = options
        self.connection = Connection(self, shortest_wait=options.shortest_wait)
        self._stage = Stage.CONNECT
        self._answer: asyncio.Future[RawReply] | None = None
        self._encrypted = options.implicit_tls

    async def open(self) -> tuple[Connection, Extensions]:
        """Open the session and learn what the relay offers.

        Raises:
            NoSession: it could not be opened; the connection is gone.
        """
        try:
            return self.connection, await self._open()
        except BaseException:
            self.connection.abort()
            raise

    async def _open(self) -> Extensions:
        greeting = self._expect(Stage.GREETING)
        await self._connect()
        self._require(await greeting, 220)
        extensions = await self._hello()
        if not self._encrypted and self.options.tls is not Tls.OFF and await self._start_tls(extensions):
            # RFC 3207 4.2: what was announced before the handshake is forgotten.
            extensions = await self._hello()
        if self.options.username is not None:
            await self._authenticate(extensions)
        self.connection.expect_within(None)
        return extensions

    async def _connect(self) -> None:
        options = self.options
        context = options.tls_context if options.implicit_tls else None
        source = None if options.source_address is None else (options.source_address, 0)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(options.connect_timeout.total_seconds()):
                await loop.create_connection(lambda: self.connection, options.host, options.port, ssl=context, local_addr=source)
        except ssl.SSLError as error:
            raise NoSession(Stage.TLS, why(error)) from None
        except TimeoutError:
            raise NoSession(Stage.CONNECT, f"no connection within {shown(options.connect_timeout)}") from None
        except (OSError, UnicodeError) as error:
            raise NoSession(Stage.CONNECT, why(error)) from None
        self.connection.expect_within(options.command_timeout.total_seconds())

    async def _hello(self) -> Extensions:
        name = self.options.local_hostname or _own_name(self.connection)
        reply = await self._ask(Stage.HELLO, f"EHLO {name}")
        if reply.code == 250:
            return Extensions.from_ehlo(reply.text)
        if reply.code in (500, 502, 504, 550):
            # RFC 5321 3.2: a server that does not know EHLO is greeted with HELO.
            self._require(await self._ask(Stage.HELLO, f"HELO {name}"), 250)
            return Extensions()
        raise NoSession(Stage.HELLO, f"{reply.code} {readable(reply.text)}")

    async def _start_tls(self, extensions: Extensions) -> bool:
        """Encrypt the connection; False where it may stay as it is."""
        must = self.options.tls is not Tls.OPPORTUNISTIC
        if not extensions.starttls:
            if must:
                raise NoSession(Stage.TLS, "the relay does not offer STARTTLS, which is required")
            return False
        reply = await self._ask(Stage.TLS, "STARTTLS")
        if reply.code != 220 and not must and reply.code != 421:
            return False
        self._require(reply, 220)
        if not self.connection.quiet:
            raise NoSession(Stage.TLS, "plain text behind the reply to STARTTLS")
        await self._shake_hands()
        return True

    async def _shake_hands(self) -> None:
        connection, options = self.connection, self.options
        # The handshake has a deadline of its own.
        connection.expect_within(None)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(options.connect_timeout.total_seconds()):
                transport = await loop.start_tls(
                    connection.transport, connection, options.tls_context, server_hostname=options.host
                )
        except TimeoutError:
            raise NoHandshake(f"no handshake within {shown(options.connect_timeout)}") from None
        except OSError as error:
            raise NoHandshake(why(error)) from None
        if transport is None:
            raise NoHandshake("the connection was lost in the handshake")
        connection.adopt(transport)
        self._encrypted = True

    async def _authenticate(self, extensions: Extensions) -> None:
        if not (self._encrypted or self.options.plaintext_auth):
            raise NoSession(Stage.AUTH, "a password is not sent without TLS, unless plaintext_auth=allow")
        await authenticate(lambda line: self._ask(Stage.AUTH, line), self.options, extensions.auth)

    def _expect(self, stage: Stage) -> asyncio.Future[RawReply]:
        self._stage = stage
        self._answer = asyncio.get_running_loop().create_future()
        self.connection.expect_within(self.options.command_timeout.total_seconds())
        return self._answer

    async def _ask(self, stage: Stage, command: str) -> RawReply:
        answer = self._expect(stage)
        if not self.connection.open:
            self._fail("the relay closed the connection")
        self.connection.send(command.encode() + b"\r\n")
        return await answer

    def _require(self, reply: RawReply, code: int) -> None:
        if reply.code != code:
            raise NoSession(self._stage, f"{reply.code} {readable(reply.text)}")

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoSession(self._stage, reason))
            # Nobody may be listening: the connection itself may have failed first.
            self._answer.exception()

    def stepped(self, said: bytes) -> None:
        """Nothing is walked through here."""

    def heard(self, replies: list[RawReply], more: bool) -> None:
        """A reply, and nothing but one, answers the question."""
        if more or len(replies) != 1 or self._answer is None or self._answer.done():
            self._unasked()
        else:
            self._answer.set_result(replies[0])

    def _unasked(self) -> None:
        # Also what an attacker puts behind the reply to STARTTLS (CVE-2011-0411 and its many sisters).
        self._fail("the relay said more than it was asked")
        self.connection.abort()

    def garbled(self, what: str) -> None:
        """No reply: no session. What is said while a password is given is not repeated: it may be the password."""
        self._fail("what the relay says is no SMTP reply" if self._stage is Stage.AUTH else what)
        self.connection.abort()

    def expired(self) -> None:
        """The relay took too long for one whole reply."""
        self._fail(f"no reply within {shown(self.options.command_timeout)}")
        self.connection.abort()

    def drained(self) -> None:
        """Nothing waits for this."""

    def lost(self, error: Exception | None) -> None:
        """Disconnected."""
        self._fail("the relay closed the connection" if error is None else why(error))


def _own_name(connection: Connection) -> str:
    """This host's full name, else its address as a literal (RFC 5321 section 4.1.3). No resolver is asked."""
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    address = str(connection.transport.get_extra_info("sockname")[0])
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
