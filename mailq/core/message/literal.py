"""Literal messages: every word is taken as it is, whatever looks like a template in it.

The words become variables, and the content is templates that print them: all messages with the same parts have the same content.
"""

from collections.abc import Mapping
from typing import NamedTuple

from mailq.core.message.content import Content, require_storable

_PRINTED = {"html": "{{ html|safe }}"}


class Literal(NamedTuple):
    """A content that prints its variables, and the words."""

    content: Content
    variables: dict[str, str]


def literal(
    *,
    subject: str,
    sender: str,
    text: str | None = None,
    html: str | None = None,
    reply_to: str | None = None,
    to_name: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Literal:
    """Make a content and variables that render to these words. Names of headers are part of the content.

    Raises:
        TemplateFault: there is no body, or a character that neither mail nor the database can hold.
    """
    given = {"subject": subject, "sender": sender, "text": text, "html": html}
    given |= {"reply_to": reply_to or None, "to_name": to_name or None}
    words = {part: value for part, value in given.items() if value is not None}
    named = {f"header_{number}": name for number, name in enumerate(sorted(headers or {}), 1)}
    for part, value in words.items():
        require_storable(part, value)
    for name, value in (headers or {}).items():
        require_storable(f"header {name}", value)
    content = Content.from_mapping(
        {part: _PRINTED.get(part, f"{{{{ {part} }}}}") for part in words}
        | {"headers": {name: f"{{{{ {variable} }}}}" for variable, name in named.items()}}
    )
    return Literal(content, words | {variable: (headers or {})[name] for variable, name in named.items()})
