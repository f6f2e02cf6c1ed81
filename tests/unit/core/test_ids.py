"""Public ids."""

from hypothesis import given
from hypothesis import strategies as st

from mailq.core.ids import public_id


@given(st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_different_bytes_make_different_ids(one: bytes, other: bytes) -> None:
    """All of the randomness is in the id, none is cut off."""
    assert (public_id("mlg", one) == public_id("mlg", other)) is (one == other)


@given(st.binary(min_size=1, max_size=32))
def test_ids_of_one_kind_are_of_one_length_and_can_be_read_aloud(random_bytes: bytes) -> None:
    """Crockford's base 32: lower case, no i, l, o or u; leading zeros stay."""
    prefix, _, rest = public_id("mlg", random_bytes).partition("_")

    assert prefix == "mlg"
    assert len(rest) == -(-len(random_bytes) * 8 // 5)
    assert set(rest) <= set("0123456789abcdefghjkmnpqrstvwxyz")


def test_an_id_is_its_number_in_base_32() -> None:
    """Known values, worked out by hand."""
    assert public_id("mlg", bytes([0])) == "mlg_00"
    assert public_id("mlg", bytes([31])) == "mlg_0z"
    assert public_id("key", bytes([255])) == "key_7z"
