"""Recipient lists by calls: made, changed, deleted; who is on one, and what a mailing copies of it."""

import pytest
from sqlalchemy import text

from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import mailings, recipient_lists
from tests.support.mailings import recount

FRIENDS = {"type": "recipient_list", "customer_key": "friends"}
SALE = {"type": "mailing", "customer_key": "sale", "name": "Sale", "subject": "Hi", "sender": "shop@x.example", "text": "Sale!"}


def subscriber(key, **said):
    return {"type": "subscriber", "customer_key": key, "address": f"{key}@x.example", **said}


@pytest.fixture
def on_it(database, us):
    """Who is on the list, in their order: address or key of the subscriber, and variables; None if there is no list."""

    def on_it(key="friends"):
        with database.begin() as tx:
            found = recipient_lists.by_key(tx, us, key)
            if found is None:
                return None
            rows = tx.execute(
                text("""
                SELECT coalesce(member.address, subscriber.customer_key), variables
                  FROM recipient_list_member AS member LEFT JOIN subscriber ON subscriber.id = subscriber_id
                 WHERE recipient_list_id = :id ORDER BY member.id"""),
                {"id": found.id},
            ).all()
            assert recipient_lists.num_members(tx, found.id) == len(rows)
            return [tuple(row) for row in rows]

    return on_it


@pytest.fixture
def copied(database):
    """The recipients of all mailings, whose books are right."""

    def copied():
        with database.begin() as tx:
            for mailing_id in tx.execute(text("SELECT id FROM mailing")).scalars():
                assert mailings.books(tx, mailing_id) == recount(tx, mailing_id)
            rows = tx.execute(text("SELECT address, variables FROM delivery ORDER BY mailing_id, seq"))
            return [tuple(row) for row in rows]

    return copied


def test_a_list_has_addresses_and_subscribers_in_their_order(do, on_it):
    """Each with variables of their own."""
    do("create", **subscriber("ann"))

    done = do(
        "create",
        **FRIENDS,
        name="Friends",
        recipients=[
            {"address": "Bob@X.example"},
            {"subscriber": "ann", "variables": {"vip": True}},
            {"address": "cid@x.example"},
        ],
    )

    assert on_it() == [("Bob@x.example", {}), ("ann", {"vip": True}), ("cid@x.example", {})]
    assert done.details == {"num_added": 3}


def test_a_list_may_be_empty(do, on_it):
    """Recipients come later."""
    do("create", **FRIENDS, name="Friends")

    assert on_it() == []


def test_a_key_that_is_taken_makes_no_second_list(do, on_it):
    """Also with the same words: a call is run once."""
    do("create", **FRIENDS, name="Friends")

    with pytest.raises(Conflict, match="there is a recipient list `friends` already"):
        do("create", **FRIENDS, name="Friends", recipients=[{"address": "bob@x.example"}])
    assert on_it() == []


def test_recipients_are_put_in_changed_and_taken_off(do, on_it):
    """Who is on it keeps his place, whatever the case of his address; who is not on it is no mistake."""
    do("create", **subscriber("ann"))
    do("create", **subscriber("dan"))
    do(
        "create",
        **FRIENDS,
        name="Friends",
        recipients=[{"subscriber": "ann"}, {"address": "bob@x.example", "variables": {"a": 1}}, {"address": "cid@x.example"}],
    )

    done = do(
        "update",
        **FRIENDS,
        remove=[{"address": "CID@x.example"}, {"subscriber": "dan"}, {"subscriber": "nobody"}, {"address": "eve@x.example"}],
        recipients=[
            {"subscriber": "dan"},
            {"address": "BOB@x.example", "variables": {"b": 2}},
            {"subscriber": "ann", "variables": {"c": 3}},
            {"address": "fay@x.example"},
        ],
    )

    assert on_it() == [("ann", {"c": 3}), ("BOB@x.example", {"b": 2}), ("dan", {}), ("fay@x.example", {})]
    assert done.details == {"num_added": 2, "num_changed": 2, "num_removed": 1}


def test_a_list_can_be_called_otherwise(do, database, us):
    """And keeps who is on it."""
    do("create", **FRIENDS, name="Friends")

    do("update", **FRIENDS, name="Good friends")

    with database.begin() as tx:
        assert recipient_lists.by_key(tx, us, "friends").name == "Good friends"


def test_a_subscriber_that_is_deleted_leaves_the_lists(do, on_it):
    """The others stay."""
    do("create", **subscriber("ann"))
    do("create", **FRIENDS, name="Friends", recipients=[{"subscriber": "ann"}, {"address": "bob@x.example"}])

    do("delete", type="subscriber", customer_key="ann")

    assert on_it() == [("bob@x.example", {})]


def test_one_that_is_deleted_is_gone(do, on_it, monkeypatch):
    """With all who are on it, however many; once."""
    monkeypatch.setattr(recipient_lists, "_AT_A_TIME", 2)
    do("create", **FRIENDS, name="Friends", recipients=[{"address": f"r{number}@x.example"} for number in range(5)])

    do("delete", **FRIENDS)

    assert on_it() is None
    with pytest.raises(NotFound, match="no recipient list `friends`"):
        do("delete", **FRIENDS)


@pytest.mark.parametrize(("method", "said"), [("update", {"name": "Foes"}), ("delete", {})])
def test_those_of_others_are_not_found(do, they, on_it, method, said):
    """And stay as they are."""
    do("create", **FRIENDS, name="Friends")

    with pytest.raises(NotFound):
        they(method, **FRIENDS, **said)
    assert on_it() == []


@pytest.mark.parametrize("method", ["create", "update"])
def test_a_subscriber_that_is_unknown_is_named(do, they, on_it, method):
    """And nobody is put in. Those of others are unknown."""
    do("create", **FRIENDS, name="Friends") if method == "update" else None
    they("create", **subscriber("ann"))

    with pytest.raises(BadInput, match="there is no subscriber `ann`") as refused:
        do(method, **FRIENDS, name="x", recipients=[{"address": "bob@x.example"}, {"subscriber": "ann"}])
    assert refused.value.field == "/recipients/1/subscriber"
    assert on_it() == (None if method == "create" else [])


def test_nobody_is_taken_off_the_lists_of_others(do, they, on_it):
    """Though they have a subscriber and a list of the same keys."""
    for each in (do, they):
        each("create", **subscriber("ann"))
        each("create", **FRIENDS, name="Friends", recipients=[{"subscriber": "ann"}, {"address": "bob@x.example"}])

    they("update", **FRIENDS, remove=[{"subscriber": "ann"}, {"address": "bob@x.example"}])

    assert on_it() == [("ann", {}), ("bob@x.example", {})]


@pytest.mark.parametrize(
    ("method", "said", "pointer"),
    [
        ("create", {}, "/name"),
        ("create", {"name": "a\nb"}, "/name"),
        ("create", {"name": "x", "recipients": []}, "/recipients"),
        ("create", {"name": "x", "recipients": "ann@x.example"}, "/recipients"),
        ("create", {"name": "x", "recipients": ["ann@x.example"]}, "/recipients/0"),
        ("create", {"name": "x", "recipients": [{}]}, "/recipients/0/address"),
        ("create", {"name": "x", "recipients": [{"address": "a@x.example"}, {"address": "nobody"}]}, "/recipients/1/address"),
        ("create", {"name": "x", "recipients": [{"address": "a@x.example", "subscriber": "a"}]}, "/recipients/0/subscriber"),
        ("create", {"name": "x", "recipients": [{"subscriber": 7}]}, "/recipients/0/subscriber"),
        ("create", {"name": "x", "recipients": [{"subscriber": "a", "colour": 1}]}, "/recipients/0/colour"),
        (
            "create",
            {"name": "x", "recipients": [{"subscriber": "a", "variables": {"address": "x"}}]},
            "/recipients/0/variables/address",
        ),
        (
            "create",
            {"name": "x", "recipients": [{"address": "a@x.example"}, {"address": "A@X.example"}]},
            "/recipients/1/address",
        ),
        ("create", {"name": "x", "recipients": [{"subscriber": "a"}, {"subscriber": "a"}]}, "/recipients/1/subscriber"),
        ("create", {"name": "x", "recipients": [{"address": f"r{n}@x.example"} for n in range(5001)]}, "/recipients"),
        ("create", {"name": "x", "remove": [{"subscriber": "a"}]}, "/remove"),
        ("update", {}, ""),
        ("update", {"name": None}, "/name"),
        ("update", {"remove": [{"subscriber": "a", "variables": {}}]}, "/remove/0/variables"),
        ("update", {"remove": [{"subscriber": "a"}, {"subscriber": "a"}]}, "/remove/1/subscriber"),
        ("delete", {"name": "x"}, "/name"),
        ("perform", {}, "/type"),
    ],
)
def test_what_is_at_fault_is_named(do, method, said, pointer):
    """When the call is accepted."""
    with pytest.raises(BadInput) as refused:
        do(method, **FRIENDS, **said)
    assert refused.value.field == f"/objects/0{pointer}"


def test_a_mailing_copies_who_is_on_a_list_at_that_moment(do, copied):
    """In their order and in batches: attributes, and variables over them; no subscriber who wants no mail."""
    do("create", **subscriber("ann", attributes={"name": "Ann", "city": "Rome"}))
    do("create", **subscriber("bob", status="unsubscribed"))
    do("create", **subscriber("cid", status="held"))
    do("create", **subscriber("dan", attributes={"name": "Dan"}))
    others = [{"address": f"r{number}@x.example", "variables": {"name": f"R{number}"}} for number in range(4)]
    whole = [{"subscriber": "dan", "variables": {"name": "D."}}, *others, *({"subscriber": key} for key in ("bob", "cid", "ann"))]
    do("create", **FRIENDS, name="Friends", recipients=whole)

    done = do("create", **SALE | {"text": "Dear {{ name }}"}, recipient_list="friends")
    do("update", **FRIENDS, recipients=[{"address": "late@x.example"}], remove=[{"subscriber": "dan"}])
    do("update", type="subscriber", customer_key="ann", attributes={"city": "Oslo"})

    assert copied() == [
        ("dan@x.example", {"name": "D."}),
        *((f"r{number}@x.example", {"name": f"R{number}"}) for number in range(4)),
        ("ann@x.example", {"name": "Ann", "city": "Rome"}),
    ]
    assert done.details["num_profiles"] == 6


def test_recipients_of_the_mailings_own_come_first(do, copied):
    """And a list can be put behind what is there, in another call."""
    do("create", **FRIENDS, name="Friends", recipients=[{"address": f"r{number}@x.example"} for number in range(3)])

    do("create", **SALE, recipients=[{"address": "own@x.example"}], recipient_list="friends")
    done = do("update", type="mailing", customer_key="sale", recipient_list="friends")

    rest = ["r0@x.example", "r1@x.example", "r2@x.example"]
    assert [address for address, _ in copied()] == ["own@x.example", *rest, *rest]
    assert done.details["num_profiles"] == 7


def test_a_list_of_others_is_not_found(do, they, copied):
    """And no mailing is made without it."""
    they("create", **FRIENDS, name="Friends", recipients=[{"address": "bob@x.example"}])

    with pytest.raises(NotFound, match="no recipient list `friends`"):
        do("create", **SALE, recipient_list="friends")
    with pytest.raises(NotFound, match="no mailing of the key `sale`"):
        do("perform", type="mailing", customer_key="sale", action="cancel")
    assert copied() == []


def test_a_list_without_what_the_content_needs_is_refused(do):
    """With what may have been meant."""
    do("create", **FRIENDS, name="Friends", recipients=[{"address": "bob@x.example", "variables": {"nam": "Bob"}}])

    with pytest.raises(BadInput, match="did you mean `nam`") as refused:
        do("create", **SALE | {"text": "Dear {{ name }}"}, recipient_list="friends")
    assert refused.value.field == "/recipient_list"


def test_an_empty_list_cannot_be_started(do, copied):
    """Nor a list of whom nobody wants mail; as a draft it may stand."""
    do("create", **subscriber("bob", status="held"))
    do("create", **FRIENDS, name="Friends", recipients=[{"subscriber": "bob"}])

    with pytest.raises(Conflict, match="has no recipients yet"):
        do("create", **SALE | {"text": "Dear {{ name }}"}, recipient_list="friends", start=True)
    assert do("create", **SALE, recipient_list="friends").details["num_profiles"] == 0
    assert copied() == []
