"""Messages by calls: one mail to one recipient, accepted with the call; to an address, or to a subscriber."""

import json

import pytest
from sqlalchemy import text

from mailq.core.mailing import Lane
from mailq.engine import messages, streams
from mailq.engine.calls import order
from mailq.errors import BadInput, Conflict, NotFound
from tests.support.listening import wakes_the_leader

RECEIPT = {"type": "message", "sender": "Shop <shop@x.example>", "subject": "Order 4711", "text": "Thank you, {{ name }}."}
TO_ANN = {**RECEIPT, "to": "Ann@X.example"}
MIME = "From: shop@x.example\nTo: all@x.example\nSubject: x\n\nHello\n"


@pytest.fixture
def inbox(database):
    """What was accepted: address and variables."""

    def inbox():
        with database.begin() as tx:
            return [tuple(row) for row in tx.execute(text("SELECT address, variables FROM inbox ORDER BY id"))]

    return inbox


@pytest.fixture
def ann(do):
    """A subscriber with attributes."""
    attributes = {"name": "Ann", "city": "Rome"}
    do("create", type="subscriber", customer_key="ann", address="ann@y.example", attributes=attributes)


def test_words_are_taken_as_they_are(do, inbox, database, us):
    """Whatever looks like a template in them; the leader is woken, and the result tells the message's id."""
    with wakes_the_leader(database):
        done = do("create", **TO_ANN)

    [(address, variables)] = inbox()
    assert (address, variables["text"]) == ("Ann@x.example", "Thank you, {{ name }}.")
    assert done.details == {"created": True}
    with database.begin() as tx:
        assert messages.find(tx, us, done.object_id).state == "accepted"


def test_with_variables_its_parts_are_templates(do, inbox):
    """The variables are kept as they are."""
    do("create", **TO_ANN, variables={"name": "Ann"})

    assert inbox() == [("Ann@x.example", {"name": "Ann"})]


def test_a_subscribers_attributes_are_variables(do, ann, inbox):
    """Under those that are given; the address is the subscriber's."""
    do("create", **RECEIPT, subscriber="ann")
    do("create", **RECEIPT, subscriber="ann", variables={"name": "A."})

    assert inbox() == [("ann@y.example", {"name": "Ann", "city": "Rome"}), ("ann@y.example", {"name": "A.", "city": "Rome"})]


def test_a_mail_that_is_ready_goes_as_it_is(do, ann, inbox):
    """To an address or to a subscriber."""
    do("create", type="message", sender="shop@x.example", mime=MIME, to="ann@x.example")
    do("create", type="message", sender="shop@x.example", mime=MIME, subscriber="ann")

    assert [address for address, _ in inbox()] == ["ann@x.example", "ann@y.example"]
    assert [sorted(variables) for _, variables in inbox()] == [["mime", "sender"]] * 2


def test_the_same_key_and_words_are_the_same_message(do, inbox):
    """And other words under that key are refused."""
    first = do("create", **TO_ANN, customer_key="4711")

    again = do("create", **TO_ANN, customer_key="4711", correlation_id="other")

    assert (again.object_id, again.details) == (first.object_id, {"created": False})
    with pytest.raises(Conflict, match="says something else"):
        do("create", **TO_ANN | {"subject": "Order 4712"}, customer_key="4711")
    assert len(inbox()) == 1


def test_a_key_is_ones_own(do, they, inbox):
    """Two organizations may use the same."""
    do("create", **TO_ANN, customer_key="4711")

    they("create", **TO_ANN | {"text": "x"}, customer_key="4711")

    assert len(inbox()) == 2


def test_a_subscriber_of_others_is_not_found(do, they, inbox):
    """Nor one that was never made."""
    they("create", type="subscriber", customer_key="ann", address="ann@y.example")

    with pytest.raises(NotFound, match="no subscriber `ann`"):
        do("create", **RECEIPT, subscriber="ann")
    assert inbox() == []


@pytest.mark.parametrize(
    ("status", "lane", "goes_out"),
    [
        ("unsubscribed", "transactional", True),
        ("unsubscribed", "normal", False),
        ("unsubscribed", "bulk", False),
        ("held", "transactional", False),
        ("held", "bulk", False),
    ],
)
def test_who_wants_no_mail_gets_receipts_alone(do, ann, inbox, status, lane, goes_out):
    """And who is held not even those."""
    do("update", type="subscriber", customer_key="ann", status=status)

    if goes_out:
        do("create", **RECEIPT, subscriber="ann", lane=lane)
    else:
        with pytest.raises(Conflict, match=f"subscriber `ann` is {status}, and gets no such mail"):
            do("create", **RECEIPT, subscriber="ann", lane=lane)
    assert len(inbox()) == goes_out


def test_what_a_subscriber_lacks_is_named_when_the_call_runs(do, ann):
    """The template was read when it was accepted, and is executed only now."""
    with pytest.raises(BadInput, match="colour") as refused:
        do("create", **RECEIPT | {"text": "Yours is {{ colour }}."}, subscriber="ann")
    assert refused.value.field == "/text"


def test_a_header_that_cannot_be_is_named_when_the_call_runs(do, ann):
    """By its place in the object."""
    with pytest.raises(BadInput) as refused:
        do("create", **RECEIPT, subscriber="ann", headers={"X-Note": "{{ note }}"}, variables={"note": "a\nb"})
    assert refused.value.field == "/headers/X-Note"


def test_it_is_moved_into_its_stream(do, database):
    """As any message is, under the lane that is said."""
    do("create", **TO_ANN, lane="normal")

    assert streams.move(database).lanes == {Lane.NORMAL}


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"to": None}, "/to"),
        ({"to": "nobody"}, "/to"),
        ({"to": ["ann@x.example"]}, "/to"),
        ({"subscriber": "ann"}, "/subscriber"),
        ({"sender": None}, "/sender"),
        ({"sender": "nobody"}, "/sender"),
        ({"subject": None}, "/subject"),
        ({"subject": "x" * 10_001}, "/subject"),
        ({"subject": "a\nb"}, "/subject"),
        ({"subject": 7}, "/subject"),
        ({"text": None}, "/text"),
        ({"text": "\0"}, "/text"),
        ({"text": "\udc00"}, "/text"),
        ({"text": "x" * 2_000_001}, "/text"),
        ({"headers": {"Bcc": "eve@x.example"}}, "/headers/Bcc"),
        ({"headers": {"X-A/B": "a\nb"}}, "/headers/X-A~1B"),
        ({"headers": {"X-Note": 7}}, "/headers/X-Note"),
        ({"headers": None}, "/headers"),
        ({"headers": {f"X-{number}": "1" for number in range(101)}}, "/headers"),
        ({"variables": {}, "text": "{% if %}"}, "/text"),
        ({"variables": {"n": float("nan")}}, "/variables/n"),
        ({"variables": {"n": "x" * 1_000_001}}, "/variables"),
        ({"variables": []}, "/variables"),
        ({"lane": "fast"}, "/lane"),
        ({"lane": None}, "/lane"),
        ({"doubt_policy": "maybe"}, "/doubt_policy"),
        ({"mime": MIME}, "/subject"),
        ({"mime": MIME, "subject": None, "text": None, "variables": {"a": 1}}, "/variables"),
        ({"mime": "no mail", "subject": None, "text": None}, "/mime"),
        ({"customer_key": "a\nb"}, "/customer_key"),
        ({"key": "4711"}, "/key"),
    ],
)
def test_what_is_at_fault_is_named(said, pointer):
    """When the call is accepted, and so before anything is stored."""
    with pytest.raises(BadInput) as refused:
        order.read({"method": "create", "objects": [TO_ANN | said]})
    assert refused.value.field == f"/objects/0{pointer}"


@pytest.mark.parametrize("method", ["update", "delete", "perform"])
def test_a_message_can_only_be_made(method):
    """It is on its way as soon as it is there."""
    with pytest.raises(BadInput, match="a message knows create") as refused:
        order.read({"method": method, "objects": [TO_ANN]})
    assert refused.value.field == "/objects/0/type"


def test_no_template_is_executed_when_a_call_is_accepted():
    """One that would run for long is accepted at once, and refused when it runs."""
    long = {"text": "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}", "variables": {}}

    [given] = order.read({"method": "create", "objects": [TO_ANN | long]}).objects

    assert json.loads(json.dumps(given)) == TO_ANN | long
