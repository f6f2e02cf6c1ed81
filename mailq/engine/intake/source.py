"""A source: a file of recipients that has been surveyed and can be read as records, as often as need be."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Literal, Self, TextIO

from mailq.engine.intake.columns import check_header, require_address_column
from mailq.engine.intake.delimited import Delimited, read_header
from mailq.engine.intake.jsonlines import JsonLines
from mailq.engine.intake.jsonlines import parse as parse_json
from mailq.engine.intake.raw import Meter, RawSource, Survey, open_raw, reading
from mailq.engine.intake.record import Part, Record, behind
from mailq.errors import BadInput

STDIN = Path("-")
_SAMPLE = 1 << 18
_LOOK_AHEAD = 1000
_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"}

Format = Literal["csv", "jsonl"]


@dataclass(frozen=True, slots=True)
class Position:
    """How far a source has been read, in bytes of the file as it lies on disk."""

    bytes_read: int
    total_bytes: int


class Source:
    """Recipients in a file. Made by `open_source`; one iteration of `records` at a time.

    Attributes:
        where: the file's name for messages.
        format: `csv` or `jsonl`.
        digest: SHA-256 of the (unpacked) content; a column chosen by the user is part of it, for it makes other recipients.
        columns: the names a template may use: the header without the address, or what the first 1,000 objects have.
    """

    def __init__(
        self, raw: RawSource, survey: Survey, address_column: str | None = None, *, suffix: str = "", headless: bool = False
    ) -> None:
        self.where = raw.where
        self._headless = headless
        self._raw = raw
        self._survey = survey
        self._chosen = address_column
        sample = self._sample()
        if not sample.strip():
            raise BadInput(f"{self.where} is empty; the first line must name the columns, each further one is a recipient")
        self.format: Format = _format_of(sample, suffix)
        self._delimiter, self._names, self._address = ",", [""], ""
        if self.format == "csv":
            self._read_header(sample)
        else:
            self._read_first_object(sample)
        chosen = "" if address_column is None else f"address column {address_column}"
        self.digest = survey.digest if not chosen else hashlib.sha256((survey.digest + chosen).encode()).hexdigest()
        self.columns = self._columns()

    @property
    def position(self) -> Position:
        """Where the current iteration stands."""
        return Position(self._raw.bytes_read, self._raw.total_bytes)

    def parts(self, skip: int = 0) -> Iterator[Part]:
        """The records behind the first `skip` ones, many at a time.

        Raises:
            BadInput: the file is not what it was when it was surveyed, or a quote in it is never closed.
        """
        return behind(self._all_parts(), skip)

    def records(self, skip: int = 0) -> Iterator[Record]:
        """The same one by one."""
        return chain.from_iterable(self.parts(skip))

    def close(self) -> None:
        """Let go of the file."""
        self._raw.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _all_parts(self) -> Iterator[Part]:
        with reading(self.where):
            meter = Meter(self._raw.rewind())
            text = self._text(meter)
            try:
                yield from self._reader(text).parts()
            finally:
                text.detach()
            if meter.digest.hexdigest() != self._survey.digest:
                raise BadInput(f"{self.where} changed while it was read; submit it again when it is complete")

    def _reader(self, text: TextIO) -> Delimited | JsonLines:
        if self.format == "jsonl":
            return JsonLines(text, chosen=self._chosen)
        return Delimited(
            text, delimiter=self._delimiter, names=self._names, address=self._address, where=self.where, headless=self._headless
        )

    def _text(self, stream: io.RawIOBase) -> io.TextIOWrapper:
        # newline="" leaves newlines inside quoted fields as they are; JSON has none, and only \n ends its lines.
        newline = "" if self.format == "csv" else "\n"
        return io.TextIOWrapper(io.BufferedReader(stream, 1 << 16), encoding=self._survey.encoding, newline=newline)

    def _sample(self) -> str:
        # The survey has decoded everything strictly; only the end of the sample can cut a character.
        return self._raw.head(_SAMPLE).decode(self._survey.encoding, "ignore").lstrip("\ufeff")

    def _read_header(self, sample: str) -> None:
        self._delimiter, self._names = read_header(sample, self._chosen, self.where)
        if self._headless:  # the first row that is no header: the address is what has an @
            place = next((number for number, cell in enumerate(self._names) if "@" in cell), 0)
            self._names = [f"column {number}" for number in range(1, len(self._names) + 1)]
            self._address = self._names[place]
            return
        check_header(self._names, self.where)
        self._address = require_address_column(self._names, self._chosen, self.where)

    def _read_first_object(self, sample: str) -> None:
        if sample.lstrip().startswith("["):
            raise BadInput(f"{self.where} is a JSON array; write one object a line (`jq -c '.[]'` does it)")
        for line in sample.split("\n"):
            try:
                found = parse_json(line)
            except ValueError:
                continue
            require_address_column(list(found), self._chosen, self.where)
            return

    def _columns(self) -> frozenset[str]:
        """Reads ahead: a source without a single record is refused here."""
        ahead = islice(self.records(), _LOOK_AHEAD if self.format == "jsonl" else 1)
        seen: set[str] = set(self._names) - {self._address, ""}
        count = 0
        for count, record in enumerate(ahead, start=1):  # noqa: B007 - counted on purpose
            seen.update(record.variables or ())
        if not count:
            raise BadInput(f"{self.where} has a header but no recipients")
        return frozenset(seen)


def open_source(path: Path, *, address_column: str | None = None) -> Source:
    """Open a file of recipients (`-` is standard input), read it once whole, and refuse what cannot be read.

    Args:
        address_column: the column with the address, where its name is none of the usual ones.

    Raises:
        BadInput: the file is missing, empty, binary, not UTF-8 (or UTF-16 with its mark), or has no usable header.
    """
    raw = open_raw(None if path == STDIN else path)
    try:
        return Source(raw, raw.survey(), address_column, suffix="" if path == STDIN else path.name.lower())
    except BaseException:
        raw.close()
        raise


def read_file(file: BinaryIO, where: str, *, suffix: str, address_column: str | None = None) -> Source:
    """Read recipients from a file that is open and can be rewound; the source closes it.

    Args:
        where: what to call it in messages.
        suffix: what a file of its kind would be named, such as `.csv`.

    Raises:
        BadInput: as `open_source`.
    """
    raw = RawSource(file, where)
    try:
        return Source(raw, raw.survey(), address_column, suffix=suffix)
    except BaseException:
        raw.close()
        raise


def _format_of(sample: str, name: str) -> Format:
    suffix = Path(name.removesuffix(".gz")).suffix
    known = _SUFFIXES.get(suffix)
    if known is None:
        return "jsonl" if sample.lstrip().startswith(("{", "[{")) else "csv"
    return "jsonl" if known == "jsonl" else "csv"
