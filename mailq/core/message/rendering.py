"""What makes the messages of a content, of whichever kind it is."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mailq.core.message.content import Content
from mailq.core.message.headers import Mailbox
from mailq.core.message.ready_made import READY_MADE, ReadyMade
from mailq.core.message.sandbox import Limits
from mailq.core.message.skeleton import compile_skeleton


class Renderer(Protocol):
    """Makes the messages of one content."""

    def render(self, address: str, variables: Mapping[str, Any], *, message_id: str, date: str) -> bytes:
        """The whole message for one recipient: CR and LF in pairs only, CRLF at its end. The same arguments make the same bytes.

        A message that is not ASCII (`not message.isascii()`) needs a relay with SMTPUTF8 (RFC 6532).

        Args:
            address: the recipient's, normalised; templates know it as `address`.
            variables: plain JSON values.
            message_id: from `identity.message_id`.
            date: from `identity.date_header`.

        Raises:
            RenderFault: it cannot be made for this recipient.
        """

    def sender(self, address: str, variables: Mapping[str, Any]) -> Mailbox:
        """Whom the message is from: its address is the envelope's sender, its domain the Message-ID's.

        Raises:
            RenderFault: it cannot be told for this recipient.
        """


def read_content(mapping: Mapping[str, Any]) -> Content | ReadyMade:
    """The content that `as_mapping` of either kind wrote.

    Raises:
        TemplateFault: a part is missing, unknown or not text.
    """
    return ReadyMade() if mapping.get(READY_MADE) is True else Content.from_mapping(mapping)


def compile_content(content: Content | ReadyMade, *, clock: Callable[[], float], limits: Limits | None = None) -> Renderer:
    """Make what renders a content.

    Args:
        clock: monotonic seconds, by which rendering is kept within `limits.time`.

    Raises:
        TemplateFault: a template is at fault, a header is not ours to set, or a part that is the same for all is no good.
    """
    if isinstance(content, ReadyMade):
        return content
    return compile_skeleton(content, clock=clock, limits=limits)
