"""Subscribers by calls: made, changed, deleted; and what their status suppresses."""

import pytest

from mailq.core.suppression import Reason
from mailq.engine.calls.kinds import KINDS
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import subscribers, suppressions

ANN = {"type": "subscriber", "customer_key": "4711"}


@pytest.fixture
def ann(database, us):
    """The subscriber as the database has it."""

    def ann(key="4711"):
        with database.begin() as tx:
            return subscribers.by_key(tx, us, key)

    return ann


@pytest.fixture
def suppressed(database, us):
    """Why an address is suppressed."""

    def suppressed(address="ann@x.example"):
        with database.begin() as tx:
            found = suppressions.find(tx, us, address)
            return found and found.reason

    return suppressed


def test_a_subscriber_is_made(do, ann, suppressed):
    """Active, unless something else is said; an attribute that is null is none."""
    done = do("create", **ANN, address="Ann@X.example", attributes={"name": "Ann", "city": None})

    assert (ann().address, ann().attributes, ann().status) == ("Ann@x.example", {"name": "Ann"}, "active")
    assert done.details == {"status": "active", "suppressed": None}
    assert suppressed() is None


def test_a_key_that_is_taken_makes_no_second_one(do, ann):
    """Also with the same words: a call is run once."""
    do("create", **ANN, address="ann@x.example")

    with pytest.raises(Conflict, match="there is a subscriber `4711` already"):
        do("create", **ANN, address="bob@x.example")
    assert ann().address == "ann@x.example"


def test_what_is_said_is_changed_and_the_rest_stays(do, ann):
    """Attributes are merged, and null takes one away."""
    do("create", **ANN, address="ann@x.example", attributes={"name": "Ann", "city": "Rome", "age": 7})

    do("update", **ANN, attributes={"city": "Oslo", "age": None, "tags": ["a", {"b": 1}]})

    assert ann().attributes == {"name": "Ann", "city": "Oslo", "tags": ["a", {"b": 1}]}
    assert (ann().address, ann().status) == ("ann@x.example", "active")
    assert ann().updated_at > ann().created_at


def test_attributes_that_become_too_many_are_refused(do, ann):
    """Each call has few enough."""
    do("create", **ANN, address="ann@x.example", attributes={f"a{number}": 1 for number in range(600)})

    with pytest.raises(BadInput, match="more than 1,000") as refused:
        do("update", **ANN, attributes={f"b{number}": 1 for number in range(600)})
    assert refused.value.field == "/attributes"
    assert len(ann().attributes) == 600


def test_one_that_is_deleted_is_gone(do, ann):
    """Once: the second time there is none."""
    do("create", **ANN, address="ann@x.example")

    do("delete", **ANN)

    assert ann() is None
    with pytest.raises(NotFound, match="no subscriber `4711`"):
        do("delete", **ANN)


@pytest.mark.parametrize(("method", "said"), [("update", {"status": "held"}), ("delete", {})])
def test_those_of_others_are_not_found(do, they, ann, suppressed, method, said):
    """And stay as they are."""
    do("create", **ANN, address="ann@x.example")

    with pytest.raises(NotFound):
        they(method, **ANN, **said)
    assert ann().status == "active"
    assert suppressed() is None


def test_a_key_is_ones_own(do, they, ann):
    """Two organizations may use the same."""
    do("create", **ANN, address="ann@x.example")

    they("create", **ANN, address="other@x.example", status="held")

    assert ann().address == "ann@x.example"


@pytest.mark.parametrize(("status", "reason"), [("unsubscribed", "unsubscribed"), ("held", "manual")])
def test_a_status_suppresses_the_address_and_takes_it_back(do, suppressed, status, reason):
    """From the first, or later on."""
    do("create", **ANN, address="Ann@x.example", status=status)
    assert suppressed() == reason

    done = do("update", **ANN, status="active")
    assert suppressed() is None
    assert done.details == {"status": "active", "suppressed": None}

    do("update", **ANN, status=status)
    assert suppressed() == reason


def test_one_status_after_the_other_suppresses_as_the_last_one_says(do, suppressed):
    """Who is held gets not even receipts."""
    do("create", **ANN, address="ann@x.example", status="unsubscribed")

    do("update", **ANN, status="held")

    assert suppressed() == "manual"


@pytest.mark.parametrize("reason", Reason)
def test_what_others_have_suppressed_stays(do, suppressed, reason):
    """Whatever the reason: to be active again does not undo what somebody else has asked for."""
    do("create", type="suppression", address="ann@x.example", reason=reason)
    do("create", **ANN, address="ann@x.example", status="unsubscribed")

    done = do("update", **ANN, status="active")

    assert suppressed() == reason
    assert done.details == {"status": "active", "suppressed": reason}
    assert done.message.endswith(f"the address stays suppressed ({reason})")


def test_an_address_stays_suppressed_for_another_subscriber_who_has_it(do, suppressed):
    """Whichever of them was the first."""
    do("create", **ANN, address="ann@x.example", status="unsubscribed")
    do("create", type="subscriber", customer_key="0815", address="ANN@x.example", status="held")

    do("update", **ANN, status="active")
    assert suppressed() == "manual"
    do("update", type="subscriber", customer_key="0815", status="active")
    assert suppressed() is None


def test_the_suppression_moves_with_the_address(do, suppressed):
    """The old address is nobody's any more."""
    do("create", **ANN, address="ann@x.example", status="unsubscribed")

    do("update", **ANN, address="ann@y.example")

    assert suppressed() is None
    assert suppressed("ann@y.example") == "unsubscribed"


def test_who_is_deleted_stays_suppressed(do, suppressed):
    """He has asked for no more mail, and not to be forgotten."""
    do("create", **ANN, address="ann@x.example", status="unsubscribed")

    do("delete", **ANN)

    assert suppressed() == "unsubscribed"


DEEP = "deep"
for _ in range(101):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("method", "said", "pointer"),
    [
        ("create", {"customer_key": None}, "/customer_key"),
        ("create", {"customer_key": ""}, "/customer_key"),
        ("create", {"customer_key": "a\0b"}, "/customer_key"),
        ("create", {"customer_key": 4711}, "/customer_key"),
        ("create", {"address": "nobody"}, "/address"),
        ("create", {"address": None}, "/address"),
        ("create", {"colour": "red"}, "/colour"),
        ("create", {"a/b~c": "red"}, "/a~1b~0c"),
        ("create", {"status": "asleep"}, "/status"),
        ("create", {"attributes": ["a"]}, "/attributes"),
        ("create", {"attributes": {"a": float("nan")}}, "/attributes/a"),
        ("create", {"attributes": {"a": [1, {"b": float("inf")}]}}, "/attributes/a/1/b"),
        ("create", {"attributes": {"a": 10**301}}, "/attributes/a"),
        ("create", {"attributes": {"a": 10**5000}}, "/attributes/a"),
        ("create", {"attributes": {"a": "\0"}}, "/attributes/a"),
        ("create", {"attributes": {"a": "\ud800"}}, "/attributes/a"),
        ("create", {"attributes": {"\0": 1}}, "/attributes/\\u0000"),
        ("create", {"attributes": {"address": "eve@x.example"}}, "/attributes/address"),
        ("create", {"attributes": {"deep": DEEP}}, "/attributes"),
        ("create", {"attributes": {f"a{number}": 1 for number in range(1001)}}, "/attributes"),
        ("create", {"attributes": {"a": "x" * 1_000_001}}, "/attributes"),
        ("update", {}, ""),
        ("update", {"address": None}, "/address"),
        ("delete", {"status": "active"}, "/status"),
        ("perform", {}, "/type"),
    ],
)
def test_what_is_at_fault_is_named(do, method, said, pointer):
    """When the call is accepted, and so before anything is stored."""
    whole = ANN | ({"address": "ann@x.example"} if method == "create" else {}) | said

    with pytest.raises(BadInput) as refused:
        do(method, **whole)
    assert refused.value.field == f"/objects/0{pointer}"
    str(refused.value).encode()


def test_what_can_be_kept_comes_back_as_it_was(do, ann):
    """A text with many digits is a text."""
    kept = {"pi": "3" * 500, "n": 10**299, "f": 1e22, "small": 1e-300, "deep": [[["é"]]]}
    do("create", **ANN, address="ann@x.example", attributes=kept | {"largest": 1e299})

    do("update", **ANN, attributes={"more": True})

    found = dict(ann().attributes)
    assert float(found.pop("largest")) == 1e299
    assert found == kept | {"more": True}


def test_every_field_is_told():
    """What is documented is what is taken."""
    records = KINDS["subscriber"].records.values()

    assert {name for each in records for name in each.schema()["properties"]} == {
        *("type", "customer_key", "correlation_id", "address", "attributes", "status")
    }
