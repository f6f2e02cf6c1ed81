"""What a mailing says, and the message each recipient gets."""

from mailq.core.message.content import Content
from mailq.core.message.faults import RenderFault, TemplateFault
from mailq.core.message.headers import Mailbox, parse_mailbox
from mailq.core.message.identity import date_header, message_id
from mailq.core.message.sandbox import Limits
from mailq.core.message.skeleton import Renderer, compile_content
from mailq.core.message.templates import PROVIDED, variables_needed, variables_used

__all__ = [
    "PROVIDED",
    "Content",
    "Limits",
    "Mailbox",
    "RenderFault",
    "Renderer",
    "TemplateFault",
    "compile_content",
    "date_header",
    "message_id",
    "parse_mailbox",
    "variables_needed",
    "variables_used",
]
