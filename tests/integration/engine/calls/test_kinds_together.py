"""Objects of one call, and calls at the same time: what went well stays, and nobody is in anybody's way."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from mailq.core.call import Method
from mailq.core.call_result import Status
from mailq.engine.calls import order
from mailq.engine.calls.kind import Means
from mailq.engine.calls.performing import perform
from mailq.errors import Conflict
from mailq.store import mailings, recipient_lists
from mailq.store.database import Database
from tests.support.deeds import Producer

ANN = {"type": "subscriber", "customer_key": "ann", "address": "ann@x.example", "attributes": {"name": "Ann"}}
FRIENDS = {"type": "recipient_list", "customer_key": "friends", "name": "Friends", "recipients": [{"subscriber": "ann"}]}
SALE = {"type": "mailing", "customer_key": "sale", "name": "Sale", "subject": "Hi", "sender": "shop@x.example", "text": "x"}
RECEIPT = {"type": "message", "subscriber": "ann", "subject": "Hi", "sender": "shop@x.example", "text": "Dear {{ name }}"}
BOB = {"type": "suppression", "address": "bob@x.example"}


@pytest.fixture
def call(database: Database, us: int):
    """Runs a call, as the runner does; its results."""

    def call(method: str, *objects: dict) -> list:
        accepted = order.read({"method": method, "objects": list(objects)})
        with database.begin() as tx:
            return perform(tx, Means(us), Method(method), accepted.objects, request_id="req_1")

    return call


def count(database: Database, table: str) -> int:
    with database.begin() as tx:
        return tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()


def test_objects_of_one_call_see_what_those_before_have_made(database, call):
    """A subscriber, a list of it, a mailing to the list, a message to the subscriber."""
    results = call("create", ANN, FRIENDS, SALE | {"recipient_list": "friends", "start": True}, RECEIPT, BOB)

    assert [(each.status, each.object_type) for each in results] == [
        (Status.OK, each["type"]) for each in (ANN, FRIENDS, SALE, RECEIPT, BOB)
    ]
    assert [each.object_id and each.object_id[:4] for each in results] == [None, None, "mlg_", "msg_", None]
    tables = ("subscriber", "recipient_list_member", "delivery", "inbox", "suppression")
    assert [count(database, table) for table in tables] == [1, 1, 1, 1, 1]


def test_what_is_refused_leaves_nothing_behind_and_the_others_stay(database, call, us):
    """Also of an object that was half done; the pointer leads to what is at fault."""
    half = SALE | {"recipients": [{"address": "cid@x.example"}], "recipient_list": "nobody"}
    strangers = FRIENDS | {"recipients": [{"address": "cid@x.example"}, {"subscriber": "eve"}]}

    results = call("create", ANN, half, strangers, BOB)

    assert [each.status for each in results] == [Status.OK, Status.ERROR, Status.ERROR, Status.OK]
    assert results[2].pointer == "/objects/2/recipients/1/subscriber"
    with database.begin() as tx:
        assert mailings.by_key(tx, us, "sale") is None
        assert recipient_lists.by_key(tx, us, "friends") is None
    tables = ("subscriber", "suppression", "delivery", "batch", "recipient_list_member", "idempotency")
    assert [count(database, table) for table in tables] == [1, 1, 0, 0, 0, 0]


def at_once(*deeds: Callable[[], object]) -> list[object]:
    """What came of deeds that were begun together."""
    barrier = threading.Barrier(len(deeds))

    def begun(deed: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return deed()
        except Conflict as refused:
            return refused

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(begun, deeds))


def test_two_changes_of_a_list_at_once_are_both_made(do: Producer, database):
    """Though they are about the same recipients: one waits for the other."""
    do("create", **FRIENDS | {"recipients": None})
    change = FRIENDS | {"recipients": [{"address": f"r{number}@x.example"} for number in range(50)]}
    del change["name"]

    done = at_once(*(lambda: do("update", **change) for _ in range(4)))

    assert sorted(each.details["num_added"] for each in done) == [0, 0, 0, 50]
    assert count(database, "recipient_list_member") == 50


@pytest.mark.parametrize(
    "said",
    [ANN, FRIENDS | {"recipients": None}, SALE | {"recipients": [{"address": "cid@x.example"}]}],
    ids=lambda said: said["type"],
)
def test_a_key_that_two_take_at_once_is_one_object(do: Producer, database, said):
    """Whoever comes second is refused, or told of the first."""
    done = at_once(*(lambda: do("create", **said) for _ in range(4)))

    refused = [each for each in done if isinstance(each, Conflict)]
    assert count(database, said["type"]) == 1
    if said is SALE or said["type"] == "mailing":
        assert (refused, [each.details["created"] for each in done].count(True)) == ([], 1)
        assert count(database, "delivery") == 1
    else:
        assert len(refused) == 3


def test_further_recipients_from_two_sides_are_all_there(do: Producer, database):
    """Each is put in behind the others, or refused while the other one does so."""
    do("create", **SALE)
    sides = [[{"address": f"{side}{number}@x.example"} for number in range(20)] for side in "ab"]

    done = at_once(*(lambda whose=whose: do("update", type="mailing", customer_key="sale", recipients=whose) for whose in sides))

    put_in = [each for each in done if not isinstance(each, Conflict)]
    assert count(database, "delivery") == 20 * len(put_in) > 0
