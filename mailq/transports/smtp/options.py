"""How to reach a relay: one frozen value, made from a URL and the settings beside it."""

import ssl
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from mailq.errors import Misconfigured

_PORTS = {"smtp": 25, "smtps": 465}


class Security(StrEnum):
    """How a session is encrypted. `STARTTLS` is required when chosen: a relay that does not offer it gets no mail."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


@dataclass(frozen=True)
class SmtpOptions:
    """A relay and how to talk to it.

    Attributes:
        security: `STARTTLS` and `TLS` verify the relay's certificate against `ca_file` or the system's authorities.
        username, password: for AUTH PLAIN or LOGIN, sent over TLS only unless `plaintext_auth` allows otherwise.
        local_hostname: what we call ourselves in EHLO; default this host's full name, else its address.
        sessions: connections open at once, at most.
        messages_per_session: a session is ended politely after this many and opened anew.
        connect_timeout: for the connection and, separately, the TLS handshake.
        command_timeout: for each whole reply up to DATA's (RFC 5321 section 4.5.3.2).
        dot_timeout: for the reply to the final dot; past it the message is in doubt.
        idle_limit: an unused session is closed after this.
        quit_timeout: how long a polite end may take.
    """

    host: str
    port: int = 25
    security: Security = Security.NONE
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    plaintext_auth: bool = False
    ca_file: str | None = None
    local_hostname: str | None = None
    sessions: int = 20
    messages_per_session: int = 1000
    connect_timeout: timedelta = timedelta(seconds=30)
    command_timeout: timedelta = timedelta(seconds=300)
    dot_timeout: timedelta = timedelta(seconds=600)
    idle_limit: timedelta = timedelta(seconds=60)
    quit_timeout: timedelta = timedelta(seconds=2)

    @property
    def relay(self) -> str:
        """The relay's name in books and errors, without a secret: `host:port`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @cached_property
    def tls_context(self) -> ssl.SSLContext:
        """Verifies the relay's certificate and name. Built once: it costs milliseconds.

        Raises:
            Misconfigured: `ca_file` cannot be read.
        """
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise Misconfigured(f"relay {self.relay}: the certificates in {self.ca_file} cannot be read: {error}") from None

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Read `smtp://user:password@host:25?starttls=require` or `smtps://host`; keywords are the other attributes.

        The query takes `starttls=require`, `plaintext_auth=allow`, `ca_file=PATH` and `local_hostname=NAME`.

        Raises:
            Misconfigured: the URL is at fault; the text never repeats it, for it may hold a password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise Misconfigured("the relay URL cannot be read; write smtp://user:password@host:25") from None
        if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/") or parts.fragment:
            raise Misconfigured("the relay URL must look like smtp://host:25 or smtps://user:password@host:465")
        plain = cls(
            host=parts.hostname,
            port=_PORTS[parts.scheme] if port is None else port,
            security=Security.TLS if parts.scheme == "smtps" else Security.NONE,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password is not None else None,
        )
        return replace(plain, **_from_query(parts), **options)


def _from_query(parts: SplitResult) -> dict[str, Any]:
    known: dict[tuple[str, str], dict[str, Any]] = {
        ("starttls", "require"): {"security": Security.STARTTLS},
        ("plaintext_auth", "allow"): {"plaintext_auth": True},
    }
    found: dict[str, Any] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in ("ca_file", "local_hostname") and value:
            found[name] = value
        elif (name, value) in known and (name != "starttls" or parts.scheme == "smtp"):
            found |= known[name, value]
        else:
            raise Misconfigured(
                f"the relay URL's option {name!r} is not known: starttls=require (smtp only), plaintext_auth=allow, "
                "ca_file=PATH, local_hostname=NAME"
            )
    return found
