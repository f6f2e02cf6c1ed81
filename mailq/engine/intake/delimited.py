"""CSV: delimiter found by the header, quoted newlines, and rows at fault that do not take their neighbours with them.

RFC 4180 with any of four delimiters. The quote is `"`, doubled inside a quoted field.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TextIO

from mailq.engine.intake.columns import address_column
from mailq.engine.intake.record import MAX_FIELD, MAX_LINE, Record, at_fault
from mailq.errors import BadInput

DELIMITERS = ",;\t|"

_REASONS = {
    "field larger": f"a field is longer than {MAX_FIELD:,} characters (is a quote never closed?)",
    "expected after": "a quoted field goes on after its closing quote; write a quote inside it twice",
}


def read_header(sample: str, chosen: str | None, where: str) -> tuple[str, list[str]]:
    """The delimiter, and the names in the header.

    It is the delimiter that makes one of the columns the address column; where several do, the one that makes most columns.
    """
    readings = [(delimiter, _first_row(sample, delimiter, where)) for delimiter in DELIMITERS]
    return max(readings, key=lambda reading: (address_column(reading[1], chosen) is not None, len(reading[1])))


def _first_row(sample: str, delimiter: str, where: str) -> list[str]:
    csv.field_size_limit(MAX_FIELD)
    rows = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        return next(([name.strip() for name in row] for row in rows if any(name.strip() for name in row)), [])
    except csv.Error as error:
        raise BadInput(f"{where}: the header cannot be read: {_reason(error)}") from None


class _LineTooLong(Exception):
    def __str__(self) -> str:
        return f"the line is longer than {MAX_LINE:,} characters"


class Delimited:
    """The records of a CSV stream. Physical lines are counted, and a record is named by the line it begins on."""

    def __init__(self, stream: TextIO, *, delimiter: str, names: Sequence[str], address: str, where: str) -> None:
        self._stream = stream
        self._delimiter = delimiter
        self._names = list(names)
        self._address = address
        self._where = where
        self._line = 0  # lines read so far
        self._start = 1  # where the record under way begins
        self._quotes = 0  # quotes seen in it
        self._cut = False  # the last line was not read to its end
        self._nul = False

    def records(self) -> Iterator[Record]:
        """Every record behind the header, in order. Blank lines are no records.

        Raises:
            BadInput: a quote is never closed, so that nobody can tell which lines behind it are recipients.
        """
        rows = self._reader()
        header = next((row for row in rows if any(name.strip() for name in row)), None)
        while header is not None:
            try:
                yield from self._records(rows)
            except (csv.Error, _LineTooLong) as error:
                fault = at_fault(self._start, _reason(error))
                self._resynchronise(error)
                rows = self._reader()
                yield fault
            else:
                return

    def _records(self, rows: Iterator[list[str]]) -> Iterator[Record]:
        names, address, width = self._names, self._address, len(self._names)
        self._begin_record()
        for row in rows:
            start = self._start
            if len(row) == width and not self._nul:
                variables: dict[str, str] = dict(zip(names, row))  # noqa: B905 - just compared, and strict costs a third
                yield Record(start, variables.pop(address), variables)
            elif row and (width == 1 or len(row) > 1 or row[0].strip()):
                yield self._misshapen(start, row)
            self._begin_record()

    def _misshapen(self, line: int, row: list[str]) -> Record:
        place = self._names.index(self._address)
        address = row[place] if place < len(row) else ""
        if self._nul:
            return at_fault(line, "it contains a NUL byte", address)
        return at_fault(line, f"it has {len(row)} fields where the header has {len(self._names)}", address)

    def _begin_record(self) -> None:
        self._start = self._line + 1
        self._quotes = 0
        self._nul = False

    def _reader(self) -> Iterator[list[str]]:
        # The limit belongs to the whole process; it is set anew wherever reading starts.
        csv.field_size_limit(MAX_FIELD)
        return csv.reader(self._lines(), delimiter=self._delimiter, strict=True)

    def _lines(self) -> Iterator[str]:
        readline = self._stream.readline
        while line := readline(MAX_LINE):
            self._quotes += line.count('"')
            self._cut = len(line) == MAX_LINE and line[-1] not in "\r\n"
            if self._cut:
                raise _LineTooLong
            self._line += 1
            if "\0" in line:
                self._nul = True
            yield line

    def _resynchronise(self, error: Exception) -> None:
        """Skip to the line on which the next record begins.

        Behind a quote out of place that is the next line. A field past its limit is skipped to its closing quote: as many
        quotes must have been seen as make pairs.
        """
        inside = "field larger" in str(error) or self._cut
        if "unexpected end" in str(error):
            raise self._never_closed()
        while self._cut or (inside and self._quotes % 2):
            piece = self._stream.readline(MAX_LINE)
            if not piece:
                if self._quotes % 2:
                    raise self._never_closed()
                break
            self._quotes += piece.count('"')
            self._cut = piece[-1] not in "\r\n" and len(piece) == MAX_LINE
            self._line += not self._cut
        # A line cut short was counted only now; one that ended the file needs no counting.
        self._cut = False

    def _never_closed(self) -> BadInput:
        return BadInput(
            f"{self._where}: a quote that opens in the record of line {self._start} is never closed, so the lines behind it "
            "cannot be told apart; close or remove it"
        )


def _reason(error: Exception) -> str:
    return next((reason for sign, reason in _REASONS.items() if sign in str(error)), str(error))
