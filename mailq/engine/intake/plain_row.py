"""Rows whose values need no escape, neither in JSON nor in COPY's text format: written a column at a time, by a template."""

import json
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from mailq.core.address import InvalidAddress, all_normal, normalise
from mailq.store.recipients import pending_row

_CONTROLS = bytes(range(32))
_PLACES = {str: '"%s"', int: "%d"}


def encoder(*, sort_keys: bool = False) -> Callable[[Any], str]:
    """What makes JSON of a value. Characters stay as they are: PostgreSQL stores UTF-8. No NaN: jsonb has none.

    `JSONEncoder.encode` makes its C encoder anew for every value, which is half of its time; made once, it is as good.
    """
    slow = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, sort_keys=sort_keys, separators=(",", ":"))
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return slow.encode
    made = make(None, slow.default, json.encoder.encode_basestring, None, ":", ",", sort_keys, False, False)
    join = "".join
    return lambda value: join(made(value, 0))


def normalise_in_place(addresses: list[str]) -> list[int]:
    """Bring addresses into their one form; which of them have none."""
    invalid: list[int] = []
    if all_normal(addresses):
        return invalid
    for number, address in enumerate(addresses):
        try:
            addresses[number] = normalise(address).text
        except InvalidAddress:
            invalid.append(number)
    return invalid


class PlainRow:
    """The template of such a row.

    Args:
        names: of its variables, in order.
        kinds: `str` or `int` for each of them; all are text unless told.
    """

    def __init__(self, names: Sequence[str], kinds: Sequence[type] | None = None) -> None:
        kinds = kinds or [str] * len(names)
        to_json = encoder()
        keys = [to_json(name).replace("%", "%%") for name in names]
        variables = ",".join(f"{key}:{_PLACES[kind]}" for key, kind in zip(keys, kinds, strict=True))
        self._template = pending_row("%d", "%s", f"{{{variables}}}")
        empty = (self._template % (0, "", *[kind() for kind in kinds])).encode()
        self._quotes, self._backslashes, self._controls = empty.count(b'"'), empty.count(b"\\"), _num_controls(empty)

    def rows(self, first: int, addresses: Sequence[str], columns: Sequence[Sequence[Any]]) -> list[str]:
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
