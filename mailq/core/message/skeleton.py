"""The message of a mailing with its recipient left open: built once, filled per recipient (RFC 5322, RFC 2045, RFC 2046).

Whatever is the same for every recipient is bytes from the start; what is not is a `Part`, asked per recipient for its bytes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mailq.core.message.bodies import body
from mailq.core.message.content import Content
from mailq.core.message.encoding import transfer_for
from mailq.core.message.faults import RenderFault, TemplateFault
from mailq.core.message.headers import Mailbox, mailbox_field, parse_mailbox, recipient_field, refused_name, text_field
from mailq.core.message.sandbox import Limits
from mailq.core.message.templates import Template, compile_template, surroundings
from mailq.core.message.values import Surroundings, Values

_MEDIA_TYPES = {"text": b"text/plain", "html": b"text/html"}


class Part(Protocol):
    """A piece of the message that differs from recipient to recipient."""

    def fill(self, values: Values) -> bytes:
        """Its bytes for one recipient: complete lines, ending with CRLF.

        Raises:
            RenderFault: it cannot be made for this recipient.
        """


@dataclass(frozen=True, slots=True)
class _TextHeader:
    """A header of free text. One that is empty is left out, but for the subject."""

    name: str
    template: Template

    def fill(self, values: Values) -> bytes:
        value = self.template.render(values)
        if self.name != "Subject" and not value.strip(" \t"):
            return b""
        return text_field(self.template.part, self.name, value).encode("ascii")


@dataclass(frozen=True, slots=True)
class _MailboxHeader:
    """From or Reply-To."""

    name: str
    template: Template

    def fill(self, values: Values) -> bytes:
        value = self.template.render(values)
        if self.name != "From" and not value.strip(" \t"):
            return b""
        return mailbox_field(self.template.part, self.name, parse_mailbox(self.template.part, value)).encode("utf-8")


@dataclass(frozen=True, slots=True)
class _To:
    """The recipient, as the only address in sight."""

    template: Template | None

    def fill(self, values: Values) -> bytes:
        name = self.template.render(values) if self.template else ""
        return recipient_field(values.address, name).encode("utf-8")


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Makes one mailing's messages. Immutable: threads may share it. Made by `compile_skeleton`."""

    _head: tuple[Part | bytes, ...]
    _tail: tuple[Part | bytes, ...]
    _sender: Mailbox | Template
    _surroundings: Surroundings

    def render(self, address: str, variables: Mapping[str, Any], *, message_id: str, date: str) -> bytes:
        """See `Renderer`. The body is seven bits clean, the headers too unless an address in them is international, and no line
        begins with a dot: on the wire it is what it is here.
        """
        values = Values(address, variables, self._surroundings)
        made = [piece if isinstance(piece, bytes) else piece.fill(values) for piece in self._head]
        made.append(f"Date: {date}\r\nMessage-ID: {message_id}\r\n".encode("ascii"))
        made += [piece if isinstance(piece, bytes) else piece.fill(values) for piece in self._tail]
        return b"".join(made)

    def sender(self, address: str, variables: Mapping[str, Any]) -> Mailbox:
        """See `Renderer`. Only a sender that depends on the recipient can be at fault."""
        if isinstance(self._sender, Mailbox):
            return self._sender
        values = Values(address, variables, self._surroundings)
        return parse_mailbox("sender", self._sender.render(values))


def compile_skeleton(content: Content, *, clock: Callable[[], float], limits: Limits | None = None) -> Skeleton:
    """Compile a content and build the skeleton of its messages.

    Args:
        clock: monotonic seconds, by which rendering is kept within `limits.time`.

    Raises:
        TemplateFault: a template is at fault, a header is not ours to set, or a part that is the same for all is no good.
    """
    limits = limits or Limits()
    for name in content.headers:
        if reason := refused_name(name):
            raise TemplateFault(f"header {name}", reason)
    if len({name.lower() for name in content.headers}) < len(content.headers):
        raise TemplateFault("headers", "the same name is given twice")
    templates = {part: compile_template(part, source, limits) for part, source in content.parts()}
    around = surroundings(limits, clock)
    nobody = Values("", {}, around)
    sender = templates["sender"]
    return Skeleton(
        _head=_settled(_head(templates), nobody),
        _tail=_settled((*_extra_headers(content, templates), *_bodies(content, templates, limits)), nobody),
        _sender=sender if sender.constant is None else parse_mailbox("sender", sender.constant),
        _surroundings=around,
    )


def _head(templates: Mapping[str, Template]) -> Iterator[Part]:
    yield _MailboxHeader("From", templates["sender"])
    yield _To(templates.get("to_name"))
    yield _TextHeader("Subject", templates["subject"])


def _extra_headers(content: Content, templates: Mapping[str, Template]) -> Iterator[Part]:
    if content.reply_to is not None:
        yield _MailboxHeader("Reply-To", templates["reply_to"])
    for name in content.headers:
        yield _TextHeader(name, templates[f"header {name}"])


def _bodies(content: Content, templates: Mapping[str, Template], limits: Limits) -> Iterator[Part | bytes]:
    """The MIME structure, the plainest alternative first (RFC 2046 section 5.1.4).

    Neither encoding can produce the boundary: in quoted-printable `=` is followed by a hex digit or a line end, and base64 has no `_`.
    """
    sources = {part: source for part, source in (("text", content.text), ("html", content.html)) if source is not None}
    yield b"MIME-Version: 1.0\r\n"
    boundary = f"=_{content.digest()[:24]}".encode("ascii")
    several = len(sources) > 1
    if several:
        yield b'Content-Type: multipart/alternative; boundary="' + boundary + b'"\r\n\r\n'
    for part, source in sources.items():
        transfer = transfer_for(source)
        if several:
            yield b"--" + boundary + b"\r\n"
        yield b"Content-Type: " + _MEDIA_TYPES[part] + b'; charset="utf-8"\r\n'
        yield f"Content-Transfer-Encoding: {transfer}\r\n\r\n".encode("ascii")
        yield body(templates[part], transfer, limits.body_bytes)
        if several:
            yield b"\r\n"
    if several:
        yield b"--" + boundary + b"--\r\n"


def _settled(pieces: Iterable[Part | bytes], nobody: Values) -> tuple[Part | bytes, ...]:
    """Turn parts that are the same for everybody into bytes, and neighbouring bytes into one piece."""
    settled: list[Part | bytes] = []
    for piece in pieces:
        made = _constant(piece, nobody)
        if isinstance(made, bytes) and settled and isinstance(settled[-1], bytes):
            settled[-1] += made
        else:
            settled.append(made)
    return tuple(settled)


def _constant(piece: Part | bytes, nobody: Values) -> Part | bytes:
    template = getattr(piece, "template", None)
    if isinstance(piece, (bytes, _To)) or template is None or template.constant is None:
        return piece
    try:
        return piece.fill(nobody)
    except RenderFault as fault:
        raise TemplateFault(fault.part, fault.reason) from None
