"""Base64 in segments (RFC 2045 section 6.8): it encodes octets by three, so a text looks different at each of three places.

A long text between two values is encoded once for each place where it can begin in a group of three. Its first octets complete the
last group of what stands before it, its last ones are carried over to what comes behind. Values and the short texts between them
are encoded for each recipient, together. Lines are broken where it is cheap: they need not be full.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from markupsafe import escape

from mailq.core.message.encoding import base64_lines, with_crlf

LONG = 500
"""Octets of a text from which on it costs more to encode it again than to look up what it looks like."""


class Placed(NamedTuple):
    """A long text that begins in a group of three octets.

    Attributes:
        head: what completes the group.
        lines: the encoded groups behind it, in lines.
        tail: what is left of it for the next group.
    """

    head: bytes
    lines: bytes
    tail: bytes


class Run(NamedTuple):
    """Values with short texts around them, which are encoded together.

    Attributes:
        octets: texts at even places, the values' places between them.
        order: which values belong there.
    """

    octets: list[bytes]
    order: tuple[int, ...]


class Frame(NamedTuple):
    """What stands between the values.

    Attributes:
        runs: one more than there are long texts.
        places: of each long text, how it looks if the last group before it lacks 0, 1 or 2 octets.
    """

    runs: tuple[Run, ...]
    places: tuple[tuple[Placed, Placed, Placed], ...]


def octets(values: Sequence[str], *, escaped: bool) -> list[bytes] | None:
    """The values as they are put into a frame. None if one is not to be judged alone: it is no text (half a character), or ends
    between CR and LF.

    Args:
        escaped: they go into HTML.
    """
    together = "".join(values)
    if "\r" in together or "\n" in together:
        if any(value.endswith("\r") for value in values):
            return None
        values = list(map(with_crlf, values))
    try:
        return [(escape(value) if escaped else value).encode() for value in values]
    except UnicodeEncodeError:
        return None


def frame(texts: Sequence[bytes], order: Sequence[int], *, long: int = LONG) -> Frame:
    """Make a frame of the texts between the values, which stand in this order."""
    cuts = [index for index, text in enumerate(texts) if len(text) >= long]
    runs = [_run(texts, order, after, before) for after, before in pairwise([-1, *cuts, len(texts)])]
    return Frame(tuple(runs), tuple(_places(texts[index]) for index in cuts))


def fill(frame: Frame, values: Sequence[bytes]) -> bytes:
    """The base64 of the texts with the values between them, in lines ended with CRLF."""
    made: list[bytes] = []
    carried = b""
    for run, places in zip(frame.runs, frame.places, strict=False):
        octets = carried + _filled(run, values)
        text = places[-len(octets) % 3]
        made += (base64_lines(octets + text.head), text.lines)
        carried = text.tail
    made.append(base64_lines(carried + _filled(frame.runs[-1], values)))
    return b"".join(made)


def _run(texts: Sequence[bytes], order: Sequence[int], after: int, before: int) -> Run:
    """The run between two long texts, whose places are these."""
    between = [b"", *texts[after + 1 : before], b""] if after >= 0 else [*texts[:before], b""]
    if before == len(texts):
        between.pop()
    octets = [b""] * (2 * len(between) - 1)
    octets[::2] = between
    return Run(octets, tuple(order[max(after, 0) : before]))


def _filled(run: Run, values: Sequence[bytes]) -> bytes:
    octets = run.octets.copy()
    octets[1::2] = map(values.__getitem__, run.order)
    return b"".join(octets)


def _places(text: bytes) -> tuple[Placed, Placed, Placed]:
    first, second, third = (_placed(text, lacking) for lacking in range(3))
    return first, second, third


def _placed(text: bytes, lacking: int) -> Placed:
    end = len(text) - (len(text) - lacking) % 3
    return Placed(text[:lacking], base64_lines(text[lacking:end]), text[end:])
