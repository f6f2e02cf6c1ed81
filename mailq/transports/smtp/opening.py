"""From nothing to a session that may carry letters: connect, greeting, EHLO, STARTTLS, AUTH."""

import asyncio
import base64
import socket
import ssl
from datetime import timedelta

from mailq.core.outcome import Stage
from mailq.transports.smtp.connection import Connection
from mailq.transports.smtp.extensions import Extensions
from mailq.transports.smtp.options import Security, SmtpOptions
from mailq.transports.smtp.replies import RawReply


class NoSession(Exception):
    """A session could not be opened; the text says at which stage and why, and holds no secret."""

    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(f"{stage}: {reason}")
        self.stage = stage


def readable(reply: RawReply) -> str:
    """A reply as one printable line of at most 500 characters, without its code."""
    text = reply.text.decode("utf-8", "replace")
    if not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return text[:500].strip()


class Opening:
    """Listens to a connection while it is being opened: one question, one answer."""

    def __init__(self, options: SmtpOptions) -> None:
        self.options = options
        self.connection = Connection(self, shortest_wait=shortest_wait(options))
        self._stage = Stage.CONNECT
        self._answer: asyncio.Future[RawReply] | None = None

    async def open(self) -> Extensions:
        """Open the session and learn what the relay offers.

        Raises:
            NoSession: it could not be opened; the connection is gone.
        """
        try:
            return await self._open()
        except BaseException:
            self.connection.abort()
            raise

    async def _open(self) -> Extensions:
        security = self.options.security
        greeting = self._expect(Stage.GREETING)
        await self._connect()
        self._require(await greeting, 220)
        extensions = await self._hello()
        if security is Security.STARTTLS:
            await self._start_tls(extensions)
            # RFC 3207 4.2: what was announced before the handshake is forgotten.
            extensions = await self._hello()
        if self.options.username is not None:
            await self._authenticate(extensions)
        self.connection.expect_within(None)
        return extensions

    async def _connect(self) -> None:
        options = self.options
        context = options.tls_context if options.security is Security.TLS else None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(options.connect_timeout.total_seconds()):
                await loop.create_connection(lambda: self.connection, options.host, options.port, ssl=context)
        except ssl.SSLError as error:
            raise NoSession(Stage.TLS, _why(error)) from None
        except TimeoutError:
            raise NoSession(Stage.CONNECT, f"no connection within {_shown(options.connect_timeout)}") from None
        except (OSError, UnicodeError) as error:
            raise NoSession(Stage.CONNECT, _why(error)) from None
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
        raise NoSession(Stage.HELLO, f"{reply.code} {readable(reply)}")

    async def _start_tls(self, extensions: Extensions) -> None:
        if not extensions.starttls:
            raise NoSession(Stage.TLS, "the relay does not offer STARTTLS, which is required")
        self._require(await self._ask(Stage.TLS, "STARTTLS"), 220)
        connection, options = self.connection, self.options
        if not connection.quiet:
            raise NoSession(Stage.TLS, "plain text behind the reply to STARTTLS")
        wait = options.connect_timeout.total_seconds()
        # The handshake has a deadline of its own.
        connection.expect_within(None)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(wait):
                transport = await loop.start_tls(
                    connection.transport, connection, options.tls_context, server_hostname=options.host
                )
        except TimeoutError:
            raise NoSession(Stage.TLS, f"no handshake within {_shown(options.connect_timeout)}") from None
        except OSError as error:
            raise NoSession(Stage.TLS, _why(error)) from None
        if transport is None:
            raise NoSession(Stage.TLS, "the connection was lost in the handshake")
        connection.adopt(transport)

    async def _authenticate(self, extensions: Extensions) -> None:
        options = self.options
        if options.security is Security.NONE and not options.plaintext_auth:
            raise NoSession(
                Stage.AUTH, "a password is not sent without TLS; use smtps://, starttls=require or plaintext_auth=allow"
            )
        username, password = options.username or "", options.password or ""
        if "PLAIN" in extensions.auth:
            reply = await self._ask(Stage.AUTH, f"AUTH PLAIN {_base64(f'{chr(0)}{username}{chr(0)}{password}')}")
        elif "LOGIN" in extensions.auth:
            self._require(await self._ask(Stage.AUTH, "AUTH LOGIN"), 334)
            self._require(await self._ask(Stage.AUTH, _base64(username)), 334)
            reply = await self._ask(Stage.AUTH, _base64(password))
        else:
            raise NoSession(Stage.AUTH, "the relay offers neither AUTH PLAIN nor AUTH LOGIN")
        # Only the code: a relay that echoes what it was told would put the password into our logs.
        if reply.code != 235:
            raise NoSession(Stage.AUTH, f"{reply.code} the relay does not accept user {username!r} with this password")

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
            raise NoSession(self._stage, f"{reply.code} {readable(reply)}")

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NoSession(self._stage, reason))
            # Nobody may be listening: the connection itself may have failed first.
            self._answer.exception()

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
        """No reply: no session."""
        self._fail(what)
        self.connection.abort()

    def expired(self) -> None:
        """The relay took too long for one whole reply."""
        self._fail(f"no reply within {_shown(self.options.command_timeout)}")
        self.connection.abort()

    def drained(self) -> None:
        """Nothing waits for this."""

    def lost(self, error: Exception | None) -> None:
        """Disconnected."""
        self._fail("the relay closed the connection" if error is None else _why(error))


def shortest_wait(options: SmtpOptions) -> float:
    """The shortest of the deadlines a connection will be given, in seconds."""
    waits = (options.command_timeout, options.dot_timeout, options.idle_limit, options.quit_timeout)
    return min(wait.total_seconds() for wait in waits)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the relay's certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return str(error) or type(error).__name__


def _own_name(connection: Connection) -> str:
    """This host's full name, else its address as a literal (RFC 5321 section 4.1.3). No resolver is asked."""
    name = socket.gethostname()
    if "." in name and name.isascii():
        return name
    address = str(connection.transport.get_extra_info("sockname")[0])
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _shown(wait: timedelta) -> str:
    return f"{wait.total_seconds():g} s"
