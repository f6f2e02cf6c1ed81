"""Suppressions of an organization, a page at a time."""

import pytest

from mailq.admin import suppressions
from mailq.admin.suppressions import Reason
from mailq.errors import BadInput, NotFound


def addresses(page):
    return [each.address for each in page.data]


def test_an_address_is_suppressed_in_its_one_form_and_taken_back(database, us):
    assert suppressions.add(database, us, " Ann@X.example", Reason.COMPLAINED, "ticket 17")
    assert not suppressions.add(database, us, "ann@x.EXAMPLE")
    (only,) = suppressions.list_(database, us).data
    assert (only.address, only.reason, only.note) == ("ann@x.example", "complained", "ticket 17")
    suppressions.remove(database, us, "ANN@x.example")
    assert suppressions.list_(database, us).data == []
    with pytest.raises(NotFound, match="is not suppressed"):
        suppressions.remove(database, us, "ann@x.example")


def test_every_organization_has_its_own(database, us, them):
    suppressions.add(database, us, "ann@x.example")
    assert suppressions.list_(database, them).data == []
    with pytest.raises(NotFound):
        suppressions.remove(database, them, "ann@x.example")
    assert suppressions.add(database, them, "ann@x.example")


def test_pages_follow_each_other_and_are_narrowed(database, us):
    for name in ("dan", "ann", "cid", "bob", "anton"):
        suppressions.add(database, us, f"{name}@x.example", Reason.BOUNCED if name == "cid" else Reason.MANUAL)
    first = suppressions.list_(database, us, limit=3)
    second = suppressions.list_(database, us, limit=3, cursor=first.next_cursor)
    assert [each.partition("@")[0] for each in addresses(first) + addresses(second)] == ["ann", "anton", "bob", "cid", "dan"]
    assert second.next_cursor is None
    assert addresses(suppressions.list_(database, us, prefix="AN")) == ["ann@x.example", "anton@x.example"]
    assert addresses(suppressions.list_(database, us, reason=Reason.BOUNCED)) == ["cid@x.example"]


@pytest.mark.parametrize(
    ("field", "do"),
    [
        ("address", lambda db, us: suppressions.add(db, us, "nobody")),
        ("address", lambda db, us: suppressions.remove(db, us, "a\0@x.example")),
        ("note", lambda db, us: suppressions.add(db, us, "a@x.example", note="a\0b")),
        ("note", lambda db, us: suppressions.add(db, us, "a@x.example", note="x" * 1001)),
        ("prefix", lambda db, us: suppressions.list_(db, us, prefix="a\0")),
        ("cursor", lambda db, us: suppressions.list_(db, us, cursor="a\0")),
        ("limit", lambda db, us: suppressions.list_(db, us, limit=0)),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(database, us, field, do):
    with pytest.raises(BadInput) as refused:
        do(database, us)
    assert refused.value.field == field
    assert suppressions.list_(database, us).data == []
