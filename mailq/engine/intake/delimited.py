"""CSV: delimiter found by the header, quoted newlines, and rows at fault that do not take their neighbours with them.

RFC 4180 with any of four delimiters. The quote is `"`, doubled inside a quoted field.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from mailq.engine.intake.columns import address_column
from mailq.engine.intake.record import MAX_FIELD, MAX_LINE, Part, Record, Rows, at_fault, in_lists
from mailq.errors import BadInput

DELIMITERS = ",;\t|"
_PIECE = 1 << 17

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


class _Split(NamedTuple):
    """Rows, the lines they begin on, and how many lines they are."""

    starts: Sequence[int]
    fields: list[list[str]]
    num_lines: int


class Delimited:
    """The records of a CSV stream. Physical lines are counted, and a record is named by the line it begins on.

    A piece in which every record is well formed is read at once. One with anything odd in it is read record by record, by the
    reading that knows how to go on behind a fault.
    """

    def __init__(
        self, stream: TextIO, *, delimiter: str, names: Sequence[str], address: str, where: str, headless: bool = False
    ) -> None:
        self._headless = headless
        self._stream = stream
        self._ahead = io.StringIO()  # the piece that is read record by record
        self._num_ahead = 0  # characters of it that are still to be read
        self._delimiter = delimiter
        self._names = list(names)
        self._place = self._names.index(address)
        self._where = where
        self._line = 0  # lines read so far
        self._start = 1  # where the record under way begins
        self._quotes = 0  # quotes seen in it
        self._cut = False  # the last line was not read to its end
        self._nul = False

    def parts(self) -> Iterator[Part]:
        """Every record behind the header, in order. Blank lines are no records.

        Raises:
            BadInput: a quote is never closed, so that nobody can tell which lines behind it are recipients.
        """
        if not self._headless:
            next((row for row in self._reader() if any(name.strip() for name in row)), None)
        while piece := self._piece():
            rows = self._at_once(piece)
            if rows is None:
                self._ahead, self._num_ahead = io.StringIO(piece, newline=""), len(piece)
                yield from in_lists(self._one_by_one())
            else:
                yield rows

    def _piece(self) -> str:
        """The next lines, whole ones, and if their quotes are in order whole records."""
        readline = self._stream.readline
        piece = self._stream.read(_PIECE)
        if piece:
            piece += readline(MAX_LINE)
        while len(piece) <= MAX_FIELD and piece.count('"') % 2 and (line := readline(MAX_LINE)):
            piece += line
        return piece

    def _at_once(self, piece: str) -> Rows | None:
        """The records of a piece; None if one of them needs a closer look."""
        if "\0" in piece or len(piece) > MAX_FIELD:
            return None
        split = self._split_quoted(piece) if '"' in piece else self._split(piece)
        if split is None or set(map(len, split.fields)) != {len(self._names)}:
            return None
        self._line += split.num_lines
        return Rows(self._names, self._place, split.starts, split.fields)

    def _split(self, piece: str) -> "_Split | None":
        text = piece.replace("\r\n", "\n") if "\r" in piece else piece
        if "\r" in text:
            return None
        lines = text.removesuffix("\n").split("\n")
        if len(self._names) == 1 and "" in lines:
            return None
        first, delimiter = self._line + 1, self._delimiter
        return _Split(range(first, first + len(lines)), [line.split(delimiter) for line in lines], len(lines))

    def _split_quoted(self, piece: str) -> "_Split | None":
        """A reading that ends without an error has not ended within a quoted field."""
        csv.field_size_limit(MAX_FIELD)
        reader = csv.reader(io.StringIO(piece, newline=""), delimiter=self._delimiter, strict=True)
        starts, fields = [self._line + 1], []
        try:
            for row in reader:
                fields.append(row)
                starts.append(self._line + 1 + reader.line_num)
        except csv.Error:
            return None
        return _Split(starts, fields, reader.line_num)

    def _one_by_one(self) -> Iterator[Record]:
        """The records that begin in the piece ahead."""
        while self._num_ahead:
            try:
                yield from self._records(self._reader())
            except (csv.Error, _LineTooLong) as error:
                fault = at_fault(self._start, _reason(error))
                self._resynchronise(error)
                yield fault

    def _records(self, rows: Iterator[list[str]]) -> Iterator[Record]:
        names, place, width = self._names, self._place, len(self._names)
        self._begin_record()
        for row in rows:
            start = self._start
            if len(row) == width and not self._nul:
                variables: dict[str, str] = dict(zip(names, row))  # noqa: B905 - just compared, and strict costs a third
                yield Record(start, variables.pop(names[place]), variables)
            elif row and (width == 1 or len(row) > 1 or row[0].strip()):
                yield self._misshapen(start, row)
            if not self._num_ahead:
                return
            self._begin_record()

    def _misshapen(self, line: int, row: list[str]) -> Record:
        address = row[self._place] if self._place < len(row) else ""
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
        while line := self._readline():
            self._quotes += line.count('"')
            self._cut = len(line) == MAX_LINE and line[-1] not in "\r\n"
            if self._cut:
                raise _LineTooLong
            self._line += 1
            if "\0" in line:
                self._nul = True
            yield line

    def _readline(self) -> str:
        """A line, from what is ahead and then from the stream; one longer than `MAX_LINE` in pieces."""
        line = self._ahead.readline(MAX_LINE) if self._num_ahead else ""
        self._num_ahead -= len(line)
        if not self._num_ahead and len(line) < MAX_LINE and not line.endswith(("\r", "\n")):
            line += self._stream.readline(MAX_LINE - len(line))
        return line

    def _resynchronise(self, error: Exception) -> None:
        """Skip to the line on which the next record begins.

        Behind a quote out of place that is the next line. A field past its limit is skipped to its closing quote: as many
        quotes must have been seen as make pairs.
        """
        inside = "field larger" in str(error) or self._cut
        if "unexpected end" in str(error):
            raise self._never_closed()
        while self._cut or (inside and self._quotes % 2):
            piece = self._readline()
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
