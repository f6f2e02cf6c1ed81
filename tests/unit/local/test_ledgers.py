"""Two ledgers agree only if both name the same addresses, each once."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.local.ledgers import compare, in_order

ADDRESSES = [f"customer{number}@mail.example" for number in range(100)]


def shuffled(addresses: list[str]) -> list[str]:
    return random.Random(7).sample(addresses, len(addresses))


def test_the_same_addresses_in_any_order_agree() -> None:
    found = compare(ADDRESSES, shuffled(ADDRESSES))

    assert found.agree
    assert (found.num_sent, found.num_accepted) == (100, 100)


def test_a_mail_that_the_sink_has_twice_is_found() -> None:
    found = compare(ADDRESSES, [*shuffled(ADDRESSES), ADDRESSES[3]])

    assert not found.agree
    assert (found.num_doubled, found.num_accepted) == (1, 101)
    assert found.examples == (f"doubled: {ADDRESSES[3]}",)


def test_equal_numbers_of_other_addresses_do_not_agree() -> None:
    found = compare(ADDRESSES, shuffled([*ADDRESSES[1:], "stranger@mail.example"]))

    assert not found.agree
    assert (found.num_missing, found.num_surplus) == (1, 1)
    assert set(found.examples) == {f"missing: {ADDRESSES[0]}", "surplus: stranger@mail.example"}


def test_an_address_we_count_twice_and_the_sink_has_once_does_not_agree() -> None:
    assert not compare([*ADDRESSES, ADDRESSES[0]], ADDRESSES).agree


def test_two_empty_ledgers_agree() -> None:
    assert compare([], []).agree


@pytest.mark.parametrize("at_a_time", [1, 3, 1000])
@given(words=st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1)))
def test_sorting_on_disk_is_sorting(at_a_time: int, words: list[str]) -> None:
    with in_order(iter(words), at_a_time=at_a_time) as found:
        assert list(found) == sorted(words)
