"""API keys: what is read again is what was written, and a typo is no key."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mailq.core.api_key import PUBLIC_BYTES, SECRET_BYTES, ApiKey, Scope, allowed_by, read
from mailq.core.ids import ALPHABET

KEY = ApiKey.made_of(b"\1\2\3\4\5\6", bytes(range(SECRET_BYTES)))

keys = some.builds(
    ApiKey.made_of,
    some.binary(min_size=PUBLIC_BYTES, max_size=PUBLIC_BYTES),
    some.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES),
)


@given(keys)
def test_a_key_is_read_as_it_was_written(key):
    assert read(key.written) == key
    assert key.fits(key.digest)


@given(keys, some.data())
def test_one_wrong_character_is_noticed_without_asking_anybody(key, data):
    place = data.draw(some.integers(0, len(key.written) - 1))
    other = data.draw(some.sampled_from(ALPHABET).filter(lambda each: each != key.written[place]))
    assert read(key.written[:place] + other + key.written[place + 1 :]) is None


@pytest.mark.parametrize(
    "presented",
    ["", "mq_", KEY.written[:-1], KEY.written + "0", KEY.written + "\n", KEY.written.upper(), f" {KEY.written}", "é" * 64],
)
def test_what_only_looks_like_a_key_is_none(presented):
    assert read(presented) is None


def test_the_secret_does_not_show_where_a_key_is_shown():
    assert KEY.secret not in f"{KEY} {KEY!r}"
    assert KEY.public_id in str(KEY)


def test_another_secret_does_not_fit():
    other = ApiKey.made_of(b"\1\2\3\4\5\6", bytes(SECRET_BYTES))
    assert other.public_id == KEY.public_id
    assert not other.fits(KEY.digest)


def test_admin_includes_the_other_scopes():
    assert allowed_by(frozenset({Scope.ADMIN})) == set(Scope)
    assert allowed_by(frozenset({Scope.READ})) == {Scope.READ}
