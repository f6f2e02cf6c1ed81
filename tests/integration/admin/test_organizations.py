"""Organizations: made once, found by name."""

import pytest

from mailq.admin import organizations
from mailq.errors import BadInput, Conflict, NotFound


def test_an_organization_is_made_once(database):
    made = organizations.create(database, "acme")
    assert made.public_id.startswith("org_")
    with pytest.raises(Conflict, match="acme"):
        organizations.create(database, "acme")
    assert [each.name for each in organizations.list_(database)] == ["acme", "default"]
    assert organizations.find(database, "acme") == made.id


def test_a_name_is_what_people_can_read(database):
    for name in ("", " ", "a\0b", "x" * 201):
        with pytest.raises(BadInput) as refused:
            organizations.create(database, name)
        assert refused.value.field == "name"
    with pytest.raises(NotFound):
        organizations.find(database, "nobody")
