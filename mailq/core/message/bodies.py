"""Bodies, filled per recipient: spliced from segments where that decodes to the same, rendered whole otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mailq.core.message.encoding import Transfer, encode_body
from mailq.core.message.plain import Plain, Wording
from mailq.core.message.sandbox import Meter
from mailq.core.message.segments import encoded, fill, frame, frame_width, is_open, without_blanks_at_line_ends
from mailq.core.message.templates import Template


def body(template: Template, transfer: Transfer, limit: int) -> "WholeBody | SplicedBody":
    """The part of the skeleton that this template fills. Base64 has no segments: it goes by three octets, whatever they mean."""
    whole = WholeBody(template, transfer, limit)
    if template.plain is None or transfer is Transfer.BASE64:
        return whole
    return SplicedBody(template, whole, template.plain)


@dataclass(frozen=True, slots=True)
class WholeBody:
    """A body rendered whole, then encoded."""

    template: Template
    transfer: Transfer
    limit: int

    def fill(self, variables: dict[str, Any], meter: Meter) -> bytes:
        """The encoded body, ending with CRLF."""
        return encode_body(self.template.part, self.template.render(variables, meter), self.transfer, limit=self.limit)


@dataclass(frozen=True, slots=True)
class SplicedBody:
    """A body of a plain template in quoted-printable. Whatever is out of the ordinary is left to `whole`, so that it judges."""

    template: Template
    whole: WholeBody
    plain: Plain
    _frames: dict[tuple[Wording, int], list[bytes]] = field(default_factory=dict)

    def fill(self, variables: dict[str, Any], meter: Meter) -> bytes:
        """The encoded body, ending with CRLF."""
        spliced = self._splice(variables)
        # Encoded it is not shorter than before, so what fits now did fit.
        if spliced is not None and len(spliced) <= self.whole.limit:
            return spliced
        return self.whole.fill(variables, meter)

    def _splice(self, variables: Mapping[str, Any]) -> bytes | None:
        wording = self.plain.wording(variables)
        values = None if wording is None else wording.values(variables)
        pieces = None if values is None else encoded(values, escaped=self.plain.escaped)
        if wording is None or pieces is None or (_ends_with_a_value(wording) and is_open(pieces[wording.order[-1]])):
            return None
        made = fill(self._frame(wording, frame_width(pieces)), [pieces[index] for index in wording.order])
        return without_blanks_at_line_ends(made) if b"" in pieces else made

    def _frame(self, wording: Wording, width: int) -> list[bytes]:
        if (made := self._frames.get((wording, width))) is None:
            made = self._frames[wording, width] = frame(wording.texts, width)
        return made


def _ends_with_a_value(wording: Wording) -> bool:
    return bool(wording.order) and not wording.texts[-1]
