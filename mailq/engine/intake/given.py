"""Recipients as a program gives them: taken over some hundred at a time, and then written as the ledger stores them.

What is taken over is ours: a program may fill one mapping anew for each recipient.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from mailq.core.address import InvalidAddress, normalise
from mailq.core.delivery import Skip
from mailq.core.plain_json import NotPlain, require_storable
from mailq.engine.intake.plain_row import PlainRow, encoder, normalise_in_place
from mailq.engine.intake.record import MAX_LINE
from mailq.errors import BadInput
from mailq.store.recipients import pending_row, skipped_row

# Sorted, so that the same variables are the same text, in whatever order they were given.
_to_json = encoder(sort_keys=True)
_plain_row = lru_cache(maxsize=64)(PlainRow)


class Written(NamedTuple):
    """Rows for COPY: of those who are sent to, and of those who get no mail."""

    pending: Sequence[str]
    skipped: Sequence[str]


class Taken(NamedTuple):
    """One recipient, taken over.

    Attributes:
        document: the variables as JSON; None when they cannot be stored.
        fault: why this one gets no mail.
    """

    address: str
    document: str | None
    fault: str | None = None

    def write(self, seq: int) -> tuple[str | None, str]:
        """A row to be sent, or None and one that gets no mail."""
        fault = self.fault
        if self.document is not None and fault is None:
            try:
                return pending_row(seq, normalise(self.address).text, self.document), ""
            except InvalidAddress as error:
                fault = error.reason
        return None, skipped_row(seq, self.address, Skip.INVALID, f"recipient {seq}: {fault}")


@dataclass(frozen=True, slots=True)
class Alike:
    """Recipients whose variables have the same names, with text or whole numbers in each column."""

    addresses: list[str]
    names: tuple[str, ...]
    kinds: tuple[type, ...]
    columns: list[tuple[Any, ...]]

    @property
    def num_chars(self) -> int:
        """About how long their rows are."""
        texts = (column for column, kind in zip(self.columns, self.kinds, strict=True) if kind is str)
        return sum(map(len, self.addresses)) + sum(sum(map(len, column)) for column in texts)

    def __len__(self) -> int:
        """How many."""
        return len(self.addresses)

    def write(self, first_seq: int) -> Written:
        """A row for each, with the seqs from `first_seq`."""
        addresses = self.addresses[:]
        invalid = normalise_in_place(addresses)
        plain = _plain_row(self.names, self.kinds)
        rows: list[str | None] = [*plain.rows(first_seq, addresses, self.columns)]
        odd = {*invalid, *plain.odd(rows)}  # type: ignore[arg-type] # none of them is None yet
        skipped = []
        for number in sorted(odd):
            rows[number], row = self._taken(number, first_seq + number).write(first_seq + number)
            skipped += [row] if rows[number] is None else []
        return Written([row for row in rows if row is not None] if skipped else rows, skipped)  # type: ignore[arg-type]

    def _taken(self, number: int, seq: int) -> Taken:
        variables = {name: column[number] for name, column in zip(self.names, self.columns, strict=True)}
        return _taken(self.addresses[number], variables, seq)


@dataclass(frozen=True, slots=True)
class Apart:
    """Recipients each of whom is looked at for himself."""

    each: list[Taken]
    names: frozenset[str]

    @property
    def num_chars(self) -> int:
        """About how long their rows are."""
        return sum(len(address) + len(document or "") for address, document, _ in self.each)

    def __len__(self) -> int:
        """How many."""
        return len(self.each)

    def write(self, first_seq: int) -> Written:
        """See `Alike.write`."""
        rows = [taken.write(seq) for seq, taken in enumerate(self.each, first_seq)]
        return Written([row for row, _ in rows if row is not None], [skipped for row, skipped in rows if row is None])


Part = Alike | Apart


def take(given: Iterable[Any], first_seq: int) -> Part:
    """Take recipients over: values with an `address` and `variables`, bare addresses, or mappings of these two.

    Args:
        first_seq: what number the first of them is.

    Raises:
        BadInput: one is none of these, or has a variable that JSON cannot hold. `field` says which, such as `recipients[16]`.
    """
    addresses, variables = _parted(given, first_seq)
    if set(map(type, addresses)) == {str} and (alike := _alike(addresses, variables)) is not None:
        return alike
    each = [_taken(*both, seq) for seq, both in enumerate(zip(addresses, variables, strict=True), first_seq)]
    return Apart(each, frozenset(chain.from_iterable(variables)))


def _parted(given: Iterable[Any], first_seq: int) -> tuple[list[Any], list[dict[str, Any]]]:
    """Their addresses, and copies of their variables: made before the next one is asked for, who may come in the same mapping."""
    addresses: list[Any] = []
    copies: list[dict[str, Any]] = []
    for each in given:
        if each.__class__ is str:
            addresses.append(each)
            copies.append({})
            continue
        address, variables = _pair(each, first_seq + len(addresses))
        if variables.__class__ is not dict and not isinstance(variables, Mapping):
            seq = first_seq + len(addresses)
            raise BadInput(f"recipient {seq}: its variables are no mapping but {type(variables).__name__}", field=_field(seq))
        addresses.append(address)
        copies.append(dict(variables))
    return addresses, copies


def _pair(given: Any, seq: int) -> tuple[Any, Any]:
    try:
        return given.address, given.variables
    except AttributeError:
        pass
    if isinstance(given, str):
        return given, {}
    if not isinstance(given, Mapping):
        raise BadInput(
            f"recipient {seq}: neither a Recipient, an address nor a mapping but {type(given).__name__}", field=_field(seq)
        )
    if "address" not in given or len(given) > 1 + ("variables" in given):
        named = ", ".join(f"`{name}`" for name in given) or "nothing"
        raise BadInput(
            f"recipient {seq}: a mapping has `address` and perhaps `variables`; this one has {named}", field=_field(seq)
        )
    return given["address"], given.get("variables") or {}


def _alike(addresses: list[str], variables: Sequence[dict[str, Any]]) -> Alike | None:
    if not all(name.__class__ is str and "\0" not in name for name in variables[0]):
        return None
    names = tuple(sorted(variables[0]))
    if set(map(len, variables)) != {len(names)}:
        return None
    try:
        columns = [tuple(map(itemgetter(name), variables)) for name in names]
    except KeyError:
        return None
    kinds = [set(map(type, column)) for column in columns]
    if any(kind not in ({str}, {int}) for kind in kinds) or not _are_storable([*addresses, *names], columns, kinds):
        return None
    return Alike(addresses, names, tuple(kind.pop() for kind in kinds), columns)


def _are_storable(texts: list[str], columns: Sequence[tuple[Any, ...]], kinds: Sequence[set[type]]) -> bool:
    """Whether no text of them is too long, or has half a character in it."""
    texts += chain.from_iterable(column for column, kind in zip(columns, kinds, strict=True) if kind == {str})
    try:
        return len("".join(texts).encode()) <= MAX_LINE
    except UnicodeEncodeError:
        return False


def _taken(address: Any, variables: dict[str, Any], seq: int) -> Taken:
    if not isinstance(address, str):
        raise BadInput(f"recipient {seq}: its address is no text but {type(address).__name__}", field=_field(seq))
    if not set(map(type, variables)) <= {str}:
        raise _unplain(variables, seq)
    try:
        document = _to_json(variables)
    except (TypeError, RecursionError):
        raise _unplain(variables, seq) from None
    except ValueError:
        return Taken(address, None, "a number in its variables is infinite, or none")
    if len(document) > MAX_LINE:
        return Taken(address, None, f"its variables are longer than {MAX_LINE:,} characters")
    try:
        require_storable(document)
    except NotPlain as error:
        return Taken(address, None, f"its variables {error}")
    return Taken(address, document)


def _unplain(variables: Mapping[Any, Any], seq: int) -> BadInput:
    """Which variable JSON cannot hold."""
    for name, value in variables.items():
        if not isinstance(name, str):
            return BadInput(f"recipient {seq}: a variable is called {name!r}; names are text", field=_field(seq))
        try:
            _to_json(value)
        except (TypeError, RecursionError):
            what = f"recipient {seq}: the variable `{name}` ({type(value).__name__}) is nothing that JSON can hold"
            return BadInput(f"{what}; give text, numbers, truths, lists and mappings", field=_field(seq, name))
    return BadInput(f"recipient {seq}: its variables are nothing that JSON can hold", field=_field(seq))


def _field(seq: int, name: str | None = None) -> str:
    return f"recipients[{seq - 1}]" + ("" if name is None else f".variables.{name}")


def names_of(parts: Iterable[Part]) -> frozenset[str]:
    """Every name that a variable of them has."""
    return frozenset(chain.from_iterable(part.names for part in parts))
