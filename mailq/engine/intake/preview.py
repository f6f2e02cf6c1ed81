"""The dry run: everything a submit would find, and the mail that the first recipient would get. Nothing is stored."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from mailq.clock import Clock
from mailq.core.address import InvalidAddress, normalise
from mailq.core.message import Renderer, RenderFault, compile_content, date_header, message_id
from mailq.engine.intake.order import MailingOrder, needed_by, require_variables
from mailq.engine.intake.record import Record
from mailq.engine.intake.source import Source

MOST_REMEMBERED = 500_000
"""Addresses remembered to find duplicates (about 50 MB); beyond them `Preview.num_duplicates` is a lower bound."""


class Fault(NamedTuple):
    """What is wrong with one record, and on which line it begins."""

    line: int
    reason: str


@dataclass(slots=True)
class Preview:
    """What a submit would make of an order.

    Attributes:
        num_valid: recipients that would be sent to, suppressed and repeated ones left out.
        num_suppressed: None if nobody could be asked.
        num_duplicates: exact only if `duplicates_exact`; two addresses count as the same if their 64-bit hashes are.
        num_incomplete: those of the valid ones that lack a variable the content needs; they would end as errors.
        faults: the first ones, in the order of the file.
        address: whose mail `message` is; None if nobody's could be made.
    """

    num_records: int = 0
    num_valid: int = 0
    num_invalid: int = 0
    num_duplicates: int = 0
    num_incomplete: int = 0
    num_suppressed: int | None = None
    duplicates_exact: bool = True
    faults: list[Fault] = field(default_factory=list)
    address: str | None = None
    message: bytes | None = None


Suppressed = Callable[[Collection[str]], Collection[str]]
"""Says which of these keys of addresses are suppressed."""


def preview(
    order: MailingOrder,
    source: Source,
    *,
    most_faults: int = 20,
    clock: Clock | None = None,
    suppressed: Suppressed | None = None,
) -> Preview:
    """Validate everything, and render the first valid recipient's mail.

    Args:
        suppressed: asked a few hundred or thousand addresses at a time; None where nobody can be asked.

    Raises:
        BadInput: as `submit`, before anything would be stored.
    """
    clock = clock or Clock()
    renderer = compile_content(order.content, clock=clock.monotonic)
    require_variables(order.content, source)
    found = Preview()
    if suppressed is not None:
        found.num_suppressed = 0
    sample = _Sample(renderer, clock)
    for fault in _examine(source, found, needed_by(order.content), sample, suppressed or _nobody):
        if len(found.faults) < most_faults:
            found.faults.append(fault)
    return found


class _Sample:
    """Renders one mail."""

    def __init__(self, renderer: Renderer, clock: Clock) -> None:
        self._renderer = renderer
        self._clock = clock

    def show(self, found: Preview, address: str, record: Record) -> Iterator[Fault]:
        """Keep the mail of the first recipient for whom one can be made."""
        variables = record.variables or {}
        try:
            sender = self._renderer.sender(address, variables)
            identity = message_id(0, found.num_records, "preview", sender.address.domain)
            message = self._renderer.render(address, variables, message_id=identity, date=date_header(self._clock.now()))
        except RenderFault as fault:
            yield Fault(record.line, str(fault))
        else:
            found.address, found.message = address, message


def _nobody(_: Collection[str]) -> Collection[str]:
    return ()


def _examine(source: Source, found: Preview, needed: frozenset[str], sample: _Sample, suppressed: Suppressed) -> Iterator[Fault]:
    seen: set[int] = set()
    for part in source.parts():
        valid: list[tuple[Record, str]] = []
        for record in part:
            found.num_records += 1
            try:
                valid.append((record, _address(record)))
            except InvalidAddress as error:
                found.num_invalid += 1
                yield Fault(record.line, error.reason)
        passed_over = suppressed({address.lower() for _, address in valid})
        yield from _examine_valid(valid, found, needed, sample, seen=seen, passed_over=passed_over)


def _examine_valid(
    valid: list[tuple[Record, str]],
    found: Preview,
    needed: frozenset[str],
    sample: _Sample,
    *,
    seen: set[int],
    passed_over: Collection[str],
) -> Iterator[Fault]:
    for record, address in valid:
        if address.lower() in passed_over:
            found.num_suppressed = (found.num_suppressed or 0) + 1
        elif _is_new(address, seen, found):
            found.num_valid += 1
            yield from _look_into(record, address, found, needed, sample)
        else:
            found.num_duplicates += 1


def _address(record: Record) -> str:
    if record.fault is not None:
        raise InvalidAddress(record.fault)
    return normalise(record.address).text


def _is_new(address: str, seen: set[int], found: Preview) -> bool:
    key = hash(address.lower())
    if key in seen:
        return False
    if len(seen) < MOST_REMEMBERED:
        seen.add(key)
    else:
        found.duplicates_exact = False
    return True


def _look_into(record: Record, address: str, found: Preview, needed: frozenset[str], sample: _Sample) -> Iterator[Fault]:
    missing = needed - (record.variables or {}).keys() - {"address"}
    if missing:
        found.num_incomplete += 1
        yield Fault(record.line, f"it lacks {', '.join(f'`{name}`' for name in sorted(missing))}, which the content needs")
    elif found.message is None:
        yield from sample.show(found, address, record)
