"""Records as the ledger stores them. Rows of a table are written a column at a time; what such a row cannot say goes the careful way."""

import json
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from mailq.core.address import InvalidAddress, all_normal, normalise
from mailq.core.delivery import Skip
from mailq.engine.intake.record import Part, Record, Rows
from mailq.store.recipients import Load, pending_row, skipped_row

# Characters stay as they are: PostgreSQL stores UTF-8. No NaN: jsonb has none.
_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":"))
_CONTROLS = bytes(range(32))


def _fast_encoder() -> Callable[[Any], str]:
    """`_encoder.encode` makes its C encoder anew for every value, which is half of its time; made once, it is as good."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return _encoder.encode
    made = make(None, _encoder.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    join = "".join
    return lambda value: join(made(value, 0))


_to_json = _fast_encoder()


Told = Callable[[int, str], None]
"""Hears of a record that becomes no mail: its line, and what is wrong with it."""


def _nobody(_line: int, _reason: str) -> None:
    """Hears it where nobody else wants to."""


class Writer:
    """Writes the records of one source into loads.

    Args:
        told: hears of each record that becomes no mail.
    """

    def __init__(self, told: Told | None = None) -> None:
        self._told = told or _nobody
        self._plain: _PlainRow | None = None

    def write(self, part: Part, load: Load) -> None:
        """Add a row for each of these records, with the next seqs."""
        first = load.next_seq
        if isinstance(part, Rows):
            self._write_rows(part, first, load)
        else:
            for seq, record in enumerate(part, first):
                self._write_one(seq, record, load)

    def _write_rows(self, rows: Rows, first: int, load: Load) -> None:
        plain = self._plain = self._plain or _PlainRow(rows.names, rows.place)
        columns: list[Sequence[str]] = list(zip(*rows.fields, strict=True))
        addresses = list(columns.pop(rows.place))
        invalid = [] if all_normal(addresses) else _normalise_in_place(addresses)
        written = plain.rows(first, addresses, columns)
        odd = {*invalid, *plain.odd(written)}
        load.add_pending([row for number, row in enumerate(written) if number not in odd] if odd else written)
        for number in sorted(odd):
            self._write_one(first + number, rows.record(number), load)

    def _write_one(self, seq: int, record: Record, load: Load) -> None:
        line, address, variables, fault = record
        if variables is not None:
            try:
                load.add_pending([pending_row(seq, normalise(address).text, _to_json(variables))])
            except InvalidAddress as error:
                fault = error.reason
            else:
                return
        self._told(line, str(fault))
        load.add_skipped(skipped_row(seq, address, Skip.INVALID, f"line {line}: {fault}"))


def _normalise_in_place(addresses: list[str]) -> list[int]:
    """Bring addresses into their one form; which of them have none."""
    invalid = []
    for number, address in enumerate(addresses):
        try:
            addresses[number] = normalise(address).text
        except InvalidAddress:
            invalid.append(number)
    return invalid


class _PlainRow:
    """A row whose values need no escape, neither in JSON nor in COPY's text format: a template of its columns."""

    def __init__(self, names: Sequence[str], place: int) -> None:
        keys = [_to_json(name).replace("%", "%%") for number, name in enumerate(names) if number != place]
        variables = ",".join(f'{key}:"%s"' for key in keys)
        self._template = pending_row("%d", "%s", f"{{{variables}}}")
        empty = (self._template % (0, "", *[""] * len(keys))).encode()
        self._quotes, self._backslashes, self._controls = empty.count(b'"'), empty.count(b"\\"), _num_controls(empty)

    def rows(self, first: int, addresses: Sequence[str], columns: Sequence[Sequence[str]]) -> list[str]:
        """A row for each address, with the seqs from `first`."""
        return list(map(self._template.__mod__, zip(count(first), addresses, *columns)))

    def odd(self, rows: Sequence[str]) -> list[int]:
        """Which of these rows hold a value that needs an escape: they cannot be stored. Asked of all at once first."""
        if self._are_plain(rows):
            return []
        return [number for number, row in enumerate(rows) if not self._are_plain([row])]

    def _are_plain(self, rows: Sequence[str]) -> bool:
        octets, number = "".join(rows).encode(), len(rows)
        return (
            octets.count(b'"') == number * self._quotes
            and octets.count(b"\\") == number * self._backslashes
            and _num_controls(octets) == number * self._controls
        )


def _num_controls(octets: bytes) -> int:
    return len(octets) - len(octets.translate(None, _CONTROLS))
