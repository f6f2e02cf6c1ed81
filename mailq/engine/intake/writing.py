"""Records as the ledger stores them. Rows of a table are written a column at a time; what such a row cannot say goes the careful way."""

from collections.abc import Callable, Sequence

from mailq.core.address import InvalidAddress, normalise
from mailq.core.delivery import Skip
from mailq.engine.intake.plain_row import PlainRow, encoder, normalise_in_place
from mailq.engine.intake.record import Part, Record, Rows
from mailq.store.recipients import Load, pending_row, skipped_row

_to_json = encoder()

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
        self._plain: PlainRow | None = None

    def write(self, part: Part, load: Load) -> None:
        """Add a row for each of these records, with the next seqs."""
        first = load.next_seq
        if isinstance(part, Rows):
            self._write_rows(part, first, load)
        else:
            for seq, record in enumerate(part, first):
                self._write_one(seq, record, load)

    def _write_rows(self, rows: Rows, first: int, load: Load) -> None:
        plain = self._plain = self._plain or PlainRow([name for number, name in enumerate(rows.names) if number != rows.place])
        columns: list[Sequence[str]] = list(zip(*rows.fields, strict=True))
        addresses = list(columns.pop(rows.place))
        invalid = normalise_in_place(addresses)
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
