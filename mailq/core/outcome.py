"""What one attempt at one message came to. A relay's answer is a value, not an exception."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")


class Stage(StrEnum):
    """Where in the SMTP dialogue something happened (RFC 5321 section 3); `DOT` is the reply to the end of the data.

    `RENDER` is ours: the message could not be made, and nothing left.
    """

    CONNECT = "connect"
    GREETING = "greeting"
    HELLO = "hello"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    RENDER = "render"


class Fault(StrEnum):
    """Who is to blame for a message that was not accepted, and so who pays for it."""

    RECIPIENT = "recipient"
    DOMAIN = "domain"
    CONTENT = "content"
    POLICY = "policy"
    RELAY = "relay"


class Doubt(StrEnum):
    """Why nobody can know whether a message was accepted (RFC 1047)."""

    WORKER_KILLED = "worker_killed"
    HOST_LOST = "host_lost"
    RELAY_CLOSED = "relay_closed"
    TIMEOUT = "timeout"


class Reply(NamedTuple):
    """An SMTP reply: the stage it answered, its code (0 where no relay spoke), and its text (lines joined, cut to 500 characters)."""

    stage: Stage
    code: int
    text: str

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code that opens the text (RFC 3463), if there is one."""
        found = _ENHANCED.match(self.text)
        return found.group(1) if found else None

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip() if self.code else self.text


@dataclass(frozen=True, slots=True)
class Accepted:
    """The relay took the message: its reply to the dot was 2xx."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not accepted, and may be tried again."""

    reply: Reply
    fault: Fault = Fault.RECIPIENT


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not accepted, and trying again would not help."""

    reply: Reply
    fault: Fault = Fault.RECIPIENT


@dataclass(frozen=True, slots=True)
class Unknown:
    """The final dot left and its reply never came."""

    doubt: Doubt


Outcome = Accepted | Deferred | Rejected | Unknown
