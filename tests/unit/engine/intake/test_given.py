"""Recipients as a program gives them: what is stored is what was given, however it is cut, and nothing that is given later changes it."""

import json
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from mailq import Recipient
from mailq.core.address import InvalidAddress, normalise
from mailq.engine.intake.given import Alike, Apart, take
from mailq.engine.intake.record import MAX_LINE
from mailq.engine.intake.taking import Taking
from mailq.errors import BadInput
from mailq.store.copying import _rows

TEXT = some.text(max_size=12) | some.sampled_from(['"', "\\", "\t", "\n", "\\N", "\x7f", "%s", "ä", "🎉", "\x00", "\ud800"])
VALUES = TEXT | some.integers() | some.none() | some.booleans() | some.lists(TEXT, max_size=2)
VARIABLES = some.dictionaries(TEXT, VALUES, max_size=3) | some.fixed_dictionaries({"name": TEXT, "number": some.integers()})
ADDRESSES = some.sampled_from(["a@x.example", "UPPER@X.Example", "nobody", "", "ä@x.example", "a b@x.example", "tab\t@x.example"])
RECIPIENTS = some.lists(some.builds(Recipient, ADDRESSES, VARIABLES), min_size=1, max_size=12)


def read(rows: Any) -> dict[int, tuple[str, Any]]:
    """What PostgreSQL reads out of rows to be sent, by seq."""
    block = "".join(f"{row}\n" for row in rows).encode()
    return {int(seq): (address, json.loads(document)) for seq, address, document in _rows([block])}


def storable(recipient: Recipient) -> bool:
    """Whether the ledger can hold one to be sent, said in another way."""
    text = json.dumps(dict(recipient.variables), ensure_ascii=False)
    try:
        text.encode()
        normalise(recipient.address)
    except (UnicodeEncodeError, InvalidAddress):
        return False
    return not any("\x00" in each for each in _texts(recipient.variables))


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts(each)
        case dict():
            for name, each in value.items():
                yield from (*_texts(name), *_texts(each))
        case _:
            return


@settings(max_examples=300, deadline=None)
@given(RECIPIENTS, some.integers(1, 50))
def test_what_can_be_stored_is_stored_as_it_was_given(recipients: list[Recipient], first: int) -> None:
    """And everybody else is skipped with his number."""
    written = take(recipients, first).write(first)

    wanted = {
        seq: (normalise(each.address).text, dict(each.variables)) for seq, each in enumerate(recipients, first) if storable(each)
    }
    assert read(written.pending) == wanted
    skipped = {int(row.split("\t")[0]) for row in written.skipped}
    assert skipped == set(range(first, first + len(recipients))) - set(wanted)
    assert all(f"recipient {row.split(chr(9))[0]}: " in row for row in written.skipped)


@settings(max_examples=100, deadline=None)
@given(RECIPIENTS, some.integers(1, 11))
def test_however_they_are_cut_the_rows_are_the_same(recipients: list[Recipient], place: int) -> None:
    """A repeated submit is compared by them."""
    whole = take(recipients, 1).write(1)
    cut = [take(part, seq).write(seq) for part, seq in ((recipients[:place], 1), (recipients[place:], place + 1)) if part]

    assert [row for each in cut for row in each.pending] == [*whole.pending]
    assert [row for each in cut for row in each.skipped] == [*whole.skipped]


def test_the_order_of_variables_does_not_matter() -> None:
    """One program gives them as it has read them, another as a set made of them."""
    one, other = (
        [{"address": "a@x.example", "variables": dict(pairs)}] for pairs in ([("a", 1), ("b", None)], [("b", None), ("a", 1)])
    )

    assert take(one, 1).write(1) == take(other, 1).write(1)


def test_those_alike_are_written_a_column_at_a_time() -> None:
    """Text and whole numbers; what differs in kind is looked at one by one."""
    alike = [Recipient(f"p{each}@x.example", {"name": "Ann", "number": each}) for each in range(3)]

    assert isinstance(take(alike, 1), Alike)
    assert isinstance(take(["a@x.example", "b@x.example"], 1), Alike)
    assert isinstance(take([*alike, Recipient("a@x.example", {"name": None, "number": 1})], 1), Apart)
    assert isinstance(take([*alike, Recipient("a@x.example", {"name": True, "number": 1})], 1), Apart)
    assert isinstance(take([Recipient("a@x.example", MappingProxyType({"name": "Ann"}))], 1), Alike)


@pytest.mark.parametrize("value", ["Ann", ["Ann"]], ids=["alike", "apart"])
def test_a_mapping_that_is_filled_anew_each_time_is_no_trap(value: Any) -> None:
    """What is taken over is ours."""
    mapping: dict[str, Any] = {}

    def people() -> Iterator[Recipient]:
        for each in range(1200):
            mapping.clear()
            mapping.update(name=value, number=each)
            yield Recipient(f"p{each}@x.example", mapping)

    stored = [
        document["number"]
        for batch in Taking(people(), batch_size=1000).next_chunk()
        for part in batch.parts
        for _, document in read(part.write(1).pending).values()
    ]
    assert stored == list(range(1200))


def test_variables_that_are_too_long_are_skipped() -> None:
    """As a line of a file would be."""
    written = take([Recipient("a@x.example", {"story": "x" * MAX_LINE}), Recipient("b@x.example", {"story": "x"})], 1).write(1)

    assert (len(written.pending), len(written.skipped)) == (1, 1)
    assert "longer than 4,000,000 characters" in written.skipped[0]


def test_a_number_that_is_none_is_skipped() -> None:
    """JSON has no infinity."""
    assert "infinite, or none" in take([Recipient("a@x.example", {"rate": float("nan")})], 1).write(1).skipped[0]


def test_batches_are_cut_by_number_and_by_size() -> None:
    """Without a gap."""
    plain = Taking((f"p{each}@x.example" for each in range(2500)), batch_size=1000).next_chunk()
    large = Taking((Recipient(f"p{each}@x.example", {"story": "x" * 100_000}) for each in range(100)), batch_size=1000)
    chunks = [chunk for chunk in iter(large.next_chunk, []) if chunk]

    assert [(batch.first_seq, batch.num_profiles) for batch in plain] == [(1, 1000), (1001, 1000), (2001, 500)]
    assert len(chunks) >= 2
    assert all(batch.num_chars < 8_000_000 for chunk in chunks for batch in chunk)
    assert sum(batch.num_profiles for chunk in chunks for batch in chunk) == 100


def test_the_name_of_a_variable_that_json_cannot_hold_is_told() -> None:
    """With the recipient's place."""
    with pytest.raises(BadInput, match="recipient 8: the variable `price`") as raised:
        take([Recipient("a@x.example", {"name": "Ann", "price": {1, 2}})], 8)
    assert raised.value.field == "recipients[7].variables.price"
