"""What a mailing says, and the message each recipient gets."""

from mailq.core.message.content import Content
from mailq.core.message.faults import RenderFault, TemplateFault
from mailq.core.message.headers import Mailbox, parse_mailbox
from mailq.core.message.identity import date_header, message_id
from mailq.core.message.literal import Literal, literal
from mailq.core.message.mime import canonical_mail
from mailq.core.message.ready_made import ReadyMade
from mailq.core.message.rendering import Renderer, compile_content, read_content
from mailq.core.message.sandbox import Limits
from mailq.core.message.templates import PROVIDED, variables_needed, variables_used

__all__ = [
    "PROVIDED",
    "Content",
    "Limits",
    "Literal",
    "Mailbox",
    "ReadyMade",
    "RenderFault",
    "Renderer",
    "TemplateFault",
    "canonical_mail",
    "compile_content",
    "date_header",
    "literal",
    "message_id",
    "parse_mailbox",
    "read_content",
    "variables_needed",
    "variables_used",
]
