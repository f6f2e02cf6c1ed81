"""Bodies, filled per recipient: spliced from segments where that decodes to the same, rendered whole otherwise."""

from dataclasses import dataclass, field
from typing import Protocol

from mailq.core.message import segments, triplets
from mailq.core.message.encoding import Transfer, canonical, encode_body, with_crlf
from mailq.core.message.plain import Plain, Wording
from mailq.core.message.templates import Template
from mailq.core.message.values import Values


def body(template: Template, transfer: Transfer, limit: int) -> "WholeBody | SplicedBody":
    """The part of the skeleton that this template fills."""
    whole = WholeBody(template, transfer, limit)
    if template.plain is None:
        return whole
    splicer = _Triplets if transfer is Transfer.BASE64 else _Quoted
    return SplicedBody(template, whole, template.plain, splicer(template.plain.escaped))


@dataclass(frozen=True, slots=True)
class WholeBody:
    """A body rendered whole, then encoded."""

    template: Template
    transfer: Transfer
    limit: int

    def fill(self, values: Values) -> bytes:
        """The encoded body, ending with CRLF."""
        return encode_body(self.template.part, self.template.render(values), self.transfer, limit=self.limit)


class _Splicer(Protocol):
    def splice(self, wording: Wording, values: Values) -> bytes | None:
        """The encoded body, ending with CRLF; None if the values are not to be judged one by one."""


@dataclass(frozen=True, slots=True)
class SplicedBody:
    """A body of a plain template. Whatever is out of the ordinary is left to `whole`, so that it judges."""

    template: Template
    whole: WholeBody
    plain: Plain
    _splicer: _Splicer

    def fill(self, values: Values) -> bytes:
        """The encoded body, ending with CRLF."""
        spliced = self._splice(values)
        # Encoded it is not shorter than before, so what fits now did fit.
        if spliced is not None and len(spliced) <= self.whole.limit:
            return spliced
        return self.whole.fill(values)

    def _splice(self, values: Values) -> bytes | None:
        wording = self.plain.wording(values.named)
        return None if wording is None else self._splicer.splice(wording, values)


@dataclass(frozen=True, slots=True)
class _Quoted:
    """Splices quoted-printable."""

    escaped: bool
    _frames: dict[tuple[Wording, int], list[bytes]] = field(default_factory=dict)

    def splice(self, wording: Wording, values: Values) -> bytes | None:
        pieces = values.pieces(wording.names, escaped=self.escaped)
        if pieces is None:
            return None
        octets, width = pieces
        if wording.ends_with_a_value and segments.is_open(octets[wording.order[-1]]):
            return None
        frame = self._frames.get((wording, width)) or self._frame(wording, width)
        made = segments.fill(frame, map(octets.__getitem__, wording.order))
        return segments.without_blanks_at_line_ends(made) if b"" in octets else made

    def _frame(self, wording: Wording, width: int) -> list[bytes]:
        return self._frames.setdefault((wording, width), segments.frame(wording.texts, width))


@dataclass(frozen=True, slots=True)
class _Triplets:
    """Splices base64."""

    escaped: bool
    _frames: dict[Wording, triplets.Frame] = field(default_factory=dict)

    def splice(self, wording: Wording, values: Values) -> bytes | None:
        texts = values.texts(wording.names)
        octets = None if texts is None else triplets.octets(texts, escaped=self.escaped)
        if octets is None or (wording.ends_with_a_value and not _ends_within_a_line(octets[wording.order[-1]])):
            return None
        return triplets.fill(self._frames.get(wording) or self._frame(wording), octets)

    def _frame(self, wording: Wording) -> triplets.Frame:
        *before, last = wording.texts
        texts = [*map(with_crlf, before), canonical(last)]
        return self._frames.setdefault(wording, triplets.frame([text.encode() for text in texts], wording.order))


def _ends_within_a_line(octets: bytes) -> bool:
    """Whether this value, as the last one of a text, leaves a line to be ended."""
    return bool(octets) and not octets.endswith(b"\n")
