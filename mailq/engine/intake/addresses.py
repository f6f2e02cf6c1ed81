"""A list of addresses: a table with an address column, or plain text with an address at the beginning of each line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mailq.core.address import InvalidAddress, normalise
from mailq.engine.intake.raw import open_raw
from mailq.engine.intake.source import STDIN, Position, Source

_SAMPLE = 1 << 16
_HEADLESS = "address"


class Given(NamedTuple):
    """One line: the key of its address, or None where it has no valid one."""

    line: int
    key: str | None


class AddressList:
    """The addresses of a file, in a stream."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def position(self) -> Position:
        """How far it has been read."""
        return self._source.position

    def __iter__(self) -> Iterator[Given]:
        """Every line that is not blank.

        Raises:
            BadInput: as `Source.records`.
        """
        for record in self._source.records():
            try:
                key = normalise(record.address).key if record.fault is None else None
            except InvalidAddress:
                key = None
            yield Given(record.line, key)


@contextmanager
def open_addresses(path: Path, *, address_column: str | None = None) -> Iterator[AddressList]:
    """Open a list (`-` is standard input). One whose first line holds an @ has no header.

    Raises:
        BadInput: as `open_source`.
    """
    raw = open_raw(None if path == STDIN else path)
    try:
        survey = raw.survey()
        first = next(iter(raw.head(_SAMPLE).decode(survey.encoding, "ignore").lstrip("\ufeff \r\n\t").splitlines()), "")
        headless = "@" in first and not first.startswith("{") and address_column is None
        yield AddressList(
            Source(raw, survey, address_column, suffix="" if path == STDIN else path.name.lower(), headless=headless)
        )
    finally:
        raw.close()
