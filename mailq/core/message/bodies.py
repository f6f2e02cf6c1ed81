"""Bodies, filled per recipient: spliced from segments where that decodes to the same, rendered whole otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mailq.core.message.encoding import Transfer, encode_body
from mailq.core.message.plain import Plain, Wording
from mailq.core.message.sandbox import Meter
from mailq.core.message.segments import WIDTHS, fill, frame, one_liners, without_blanks_at_line_ends
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
        lines = None if values is None else one_liners(values, escaped=self.plain.escaped)
        if wording is None or lines is None:
            return None
        texts = self._frame(wording, max(map(len, lines), default=0))
        if b"" not in lines:
            return fill(texts, [lines[index] for index in wording.order])
        if not wording.texts[-1]:
            return None  # the value that may be the last is empty: whether the text has a line end, the whole tells
        return without_blanks_at_line_ends(fill(texts, [lines[index] for index in wording.order]))

    def _frame(self, wording: Wording, longest: int) -> list[bytes]:
        width = next(each for each in WIDTHS if each >= longest)
        if (made := self._frames.get((wording, width))) is None:
            made = self._frames[wording, width] = frame(wording.texts, width)
        return made
