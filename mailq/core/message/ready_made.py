"""Ready-made messages: a program has built the whole mail, with attachments perhaps. We add what makes it the same on every attempt."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailq.core.message.faults import RenderFault
from mailq.core.message.headers import Mailbox, parse_mailbox

READY_MADE = "ready_made"
_HEADER = re.compile(r"[!-9;-~]+:")


@dataclass(frozen=True, slots=True)
class ReadyMade:
    """The content of all ready-made messages, and what renders them: each is in its variables.

    Those are `sender`, the envelope's, and `mime`, the mail as `mime.canonical_mail` has it, without Message-ID and Date.
    """

    def as_mapping(self) -> dict[str, Any]:
        """Plain values for jsonb."""
        return {READY_MADE: True}

    def digest(self) -> str:
        """As that of a `Content`."""
        return hashlib.sha256(READY_MADE.encode()).hexdigest()

    def render(self, address: str, variables: Mapping[str, Any], *, message_id: str, date: str) -> bytes:
        """See `Renderer`: the mail, with its Date and Message-ID before it.

        Raises:
            RenderFault: the variables hold no mail that we have made.
        """
        mime = variables.get("mime")
        if not (isinstance(mime, str) and _is_mail(mime)):
            raise RenderFault("mime", "is no mail: lines of ASCII that end with CRLF, headers first")
        return f"Date: {date}\r\nMessage-ID: {message_id}\r\n{mime}".encode("ascii")

    def sender(self, address: str, variables: Mapping[str, Any]) -> Mailbox:
        """See `Renderer`: the envelope's sender.

        Raises:
            RenderFault: the variables hold none.
        """
        return parse_mailbox("sender", str(variables.get("sender", "")))


def _is_mail(mime: str) -> bool:
    pairs = mime.count("\r\n")
    return (
        mime.isascii()
        and mime.endswith("\r\n")
        and pairs == mime.count("\r") == mime.count("\n")
        and _HEADER.match(mime) is not None
    )
