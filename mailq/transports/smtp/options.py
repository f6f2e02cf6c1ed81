"""How to reach a relay: one frozen value, made from a URL and the settings beside it."""

import ssl
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Self

from mailq.errors import Misconfigured
from mailq.transports.smtp import urls
from mailq.transports.smtp.security import Mechanism, Tls


@dataclass(frozen=True)
class SmtpOptions:
    """A relay and how to talk to it.

    Attributes:
        tls: what STARTTLS must bring, or with `implicit_tls` (smtps) whether the certificate is checked. `OPPORTUNISTIC` checks it
            where a password depends on it.
        username, password: sent over TLS only, unless `plaintext_auth` allows otherwise.
        auth: the one mechanism to use; None takes the best that is offered.
        ca_file: authorities that may vouch for the relay, instead of the system's.
        local_hostname: what we call ourselves in EHLO; default this host's full name, else its address.
        source_address: the address of this host that connections are made from.
        dsn: ask relays that offer DSN (RFC 3461) for notices of failure, with the envelope's id and without the content.
        sessions: connections open at once, at most.
        messages_per_session: a session is ended politely after this many and opened anew.
        connect_timeout: for the connection and, separately, the TLS handshake.
        command_timeout: for each whole reply but those below (RFC 5321 section 4.5.3.2).
        data_timeout: for the reply to DATA.
        block_timeout: for each block of a large body to leave.
        dot_timeout: for the reply to the final dot; past it the message is in doubt.
        idle_limit: an unused session is closed after this.
        quit_timeout: how long a polite end may take.
    """

    host: str
    port: int = 25
    tls: Tls = Tls.OPPORTUNISTIC
    implicit_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    auth: Mechanism | None = None
    plaintext_auth: bool = False
    ca_file: str | None = None
    local_hostname: str | None = None
    source_address: str | None = None
    dsn: bool = True
    sessions: int = 20
    messages_per_session: int = 1000
    connect_timeout: timedelta = timedelta(seconds=30)
    command_timeout: timedelta = timedelta(seconds=300)
    data_timeout: timedelta = timedelta(seconds=120)
    block_timeout: timedelta = timedelta(seconds=180)
    dot_timeout: timedelta = timedelta(seconds=600)
    idle_limit: timedelta = timedelta(seconds=60)
    quit_timeout: timedelta = timedelta(seconds=2)

    @property
    def relay(self) -> str:
        """The relay's name in books and errors, without a secret: `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def shortest_wait(self) -> float:
        """The shortest of the deadlines a connection will be given, in seconds."""
        waits = (
            self.command_timeout,
            self.data_timeout,
            self.block_timeout,
            self.dot_timeout,
            self.idle_limit,
            self.quit_timeout,
        )
        return min(wait.total_seconds() for wait in waits)

    @property
    def guards_password(self) -> bool:
        """Whether there is a password, and nobody has said that it may be read on its way."""
        return self.username is not None and not self.plaintext_auth

    @property
    def verifies(self) -> bool:
        """Whether the relay must prove who it is. Where it gets a password, and with smtps, only a plain word lets it off."""
        return self.tls is Tls.VERIFIED or (self.tls is not Tls.REQUIRED and (self.implicit_tls or self.guards_password))

    @cached_property
    def tls_context(self) -> ssl.SSLContext:
        """Verifies the relay's certificate and name, or nothing (`verifies`). Built once: it costs milliseconds.

        Raises:
            Misconfigured: `ca_file` cannot be read.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise Misconfigured(f"relay {self.relay}: the certificates in {self.ca_file} cannot be read: {error}") from None
        if not self.verifies:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def in_the_clear(self) -> Self:
        """The same without TLS."""
        return replace(self, tls=Tls.OFF)

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Read `smtp://user:password@host:25?tls=verified` or `smtps://host`; keywords are the other attributes.

        The query's options are those of `mailq.transports.smtp.urls`.

        Raises:
            Misconfigured: the URL is at fault; the text never repeats it, for it may hold a password.
        """
        return cls(**urls.read(url), **options)
