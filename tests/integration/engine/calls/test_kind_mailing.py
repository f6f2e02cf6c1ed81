"""Mailings by calls: made, changed, deleted, started and steered, by their producer's own key."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from mailq.core.mailing import State
from mailq.core.message import Content
from mailq.engine import drafting, sealing, steering
from mailq.engine.calls import order
from mailq.engine.intake.order import MailingOrder
from mailq.errors import BadInput, Conflict, NotFound
from mailq.store import audit, mailings
from tests.integration.engine.test_resending import end
from tests.support.listening import listening, wakes_the_leader
from tests.support.mailings import Made, recount

KEY = {"type": "mailing", "customer_key": "sale"}
SALE = {**KEY, "name": "Sale", "subject": "Hi {{ name }}", "sender": "Shop <shop@x.example>", "text": "Dear {{ name }}"}
PEOPLE = [{"address": f"r{number}@x.example", "variables": {"name": f"R{number}"}} for number in range(1, 6)]
SOON, LATER = (f"{datetime.now(UTC).year + ahead}-12-24T18:00:00+01:00" for ahead in (1, 2))


@pytest.fixture
def sale(database, us):
    """The mailing as it stands, with books that are those of its deliveries; None if there is none."""

    def sale():
        with database.begin() as tx:
            found = mailings.by_key(tx, us, "sale")
            if found is not None:
                assert mailings.books(tx, found.id) == recount(tx, found.id)
            return found

    return sale


@pytest.fixture
def says(database, sale):
    """What the mailing says."""

    def says():
        with database.begin() as tx:
            return dict(mailings.content(tx, sale().id))

    return says


@pytest.fixture
def addresses(database):
    """Who gets it, and how it stands with each."""

    def addresses():
        with database.begin() as tx:
            rows = tx.execute(text("SELECT address, state FROM delivery ORDER BY mailing_id, seq"))
            return [tuple(row) for row in rows]

    return addresses


@pytest.fixture
def running(do, database):
    """A mailing that runs."""
    do("create", **SALE, recipients=PEOPLE, start=True)
    sealing.seal_complete(database)


def perform(do, action, **said):
    return do("perform", **KEY, action=action, **said)


def test_a_draft_says_what_was_said(do, sale, says):
    """Nothing is sent, and more can be put in."""
    options = {"lane": "normal", "doubt_policy": "resend", "scheduled_at": SOON, "expires_at": LATER, "repeats": True}
    parts = {
        "html": "<p>Hi</p>",
        "reply_to": "help@x.example",
        "to_name": "{{ name }}",
        "headers": {"List-Id": "<sale.x.example>"},
    }

    done = do("create", **SALE, **options, **parts)

    made = sale()
    assert (made.state, made.name, made.lane, made.doubt_policy, made.repeats) == ("draft", "Sale", "normal", "resend", True)
    assert (made.scheduled_at, made.expires_at) == tuple(map(datetime.fromisoformat, (SOON, LATER)))
    assert says() == {name: SALE[name] for name in ("subject", "sender", "text")} | parts
    assert (done.object_id, done.details) == (
        made.public_id,
        {"state": "draft", "num_profiles": 0, "created": True, "num_invalid": 0},
    )


def test_a_mailing_with_all_its_recipients_is_started(do, database, sale, addresses):
    """The leader is woken, and seals it; who is no address is counted."""
    with wakes_the_leader(database):
        done = do("create", **SALE, recipients=[*PEOPLE, {"address": "nobody", "variables": {"name": "x"}}], start=True)

    assert done.details == {"state": "loading", "num_profiles": 6, "created": True, "num_invalid": 1}
    assert sale().loaded_at is not None
    sealing.seal_complete(database)
    assert sale().state is State.RUNNING
    assert addresses() == [*((each["address"], "pending") for each in PEOPLE), ("nobody", "skipped")]


def test_nobody_is_woken_for_a_draft(do, database):
    """There is nothing to be done."""
    with listening(database) as woken:
        do("create", **SALE, recipients=PEOPLE)
        assert not woken()


def test_the_same_key_and_words_are_the_same_mailing(do, sale):
    """Wherever it stands, and nobody is put in twice; other words under that key are refused."""
    first = do("create", **SALE, recipients=PEOPLE, start=True)

    again = do("create", **SALE, recipients=PEOPLE, start=True, correlation_id="2")

    assert (again.object_id, again.details["created"]) == (first.object_id, False)
    for other in ({"recipients": PEOPLE[:2]}, {"recipients": PEOPLE}, {"subject": "Hello"}):
        with pytest.raises(Conflict, match="the key `sale` belongs to"):
            do("create", **SALE | other)
    assert sale().num_loaded == 5


def test_no_recipients_are_put_into_what_was_made_otherwise(do, database, us, sale):
    """A draft of another door has its own."""
    content = Content(subject=SALE["subject"], sender=SALE["sender"], text=SALE["text"])
    with database.begin() as tx:
        drafting.create(tx, us, MailingOrder("Sale", content, key="sale"))

    with pytest.raises(Conflict, match="was made without these recipients"):
        do("create", **SALE, recipients=PEOPLE)
    assert do("create", **SALE).details["created"] is False


def test_a_mailing_that_cannot_be_made_whole_is_not_made(do, sale):
    """A draft that nobody knows of would take its key."""
    with pytest.raises(BadInput, match="what the object does not have") as refused:
        do("create", **SALE, recipients=[{"address": "ann@x.example"}])

    assert refused.value.field == "/recipients"
    with pytest.raises(Conflict, match="has no recipients yet"):
        do("create", **SALE, start=True)
    assert sale() is None


@pytest.mark.parametrize("name", ["scheduled_at", "expires_at"])
def test_a_time_that_is_past_is_named_when_the_call_runs(do, name):
    """By the clock of the database, which nobody asks when a call is accepted."""
    with pytest.raises(BadInput, match="is past") as refused:
        do("create", **SALE, **{name: "2020-01-01T00:00:00Z"})
    assert refused.value.field == f"/{name}"


def test_ready_made_messages_come_with_their_recipients(do, sale):
    """The mailing says nothing itself."""
    theirs = {"sender": "shop@x.example", "mime": "Subject: x\r\n\r\nHello\r\n"}

    do("create", **KEY, name="Sale", ready_made=True, recipients=[{"address": "ann@x.example", "variables": theirs}])

    assert sale().num_loaded == 1
    with pytest.raises(BadInput) as refused:
        do("update", **KEY, subject="x")
    assert refused.value.field == "/subject"


def test_what_is_said_is_changed_and_the_rest_stays(do, sale, says):
    """`null` takes a part or a time away."""
    do("create", **SALE, html="<p>Hi</p>", scheduled_at=SOON, lane="normal", headers={"X-A": "1"})

    do(
        "update",
        **KEY,
        name="Summer sale",
        subject="Summer",
        text=None,
        scheduled_at=None,
        expires_at=LATER,
        headers={"X-B": "2"},
    )

    changed = sale()
    assert (changed.name, changed.lane, changed.scheduled_at) == ("Summer sale", "normal", None)
    assert changed.expires_at == datetime.fromisoformat(LATER)
    assert says() == {"subject": "Summer", "sender": SALE["sender"], "html": "<p>Hi</p>", "headers": {"X-B": "2"}}
    with pytest.raises(Conflict, match="has another content"):
        do("create", **SALE, html="<p>Hi</p>", scheduled_at=SOON, lane="normal", headers={"X-A": "1"})


def test_further_recipients_are_put_in_and_it_is_started(do, database, sale, addresses):
    """In as many calls as one likes."""
    do("create", **SALE, recipients=PEOPLE[:2])

    do("update", **KEY, recipients=PEOPLE[2:4])
    with wakes_the_leader(database):
        done = do("update", **KEY, recipients=PEOPLE[4:], start=True)

    assert done.details == {"state": "loading", "num_profiles": 5, "num_invalid": 0}
    assert [address for address, _ in addresses()] == [each["address"] for each in PEOPLE]


def test_words_that_need_what_the_recipients_do_not_have_are_refused(do, says):
    """Those it has already; without any, all words are welcome."""
    do("create", **SALE)
    do("update", **KEY, text="Dear {{ title }}")
    do("update", **KEY, text="Dear {{ name }}", recipients=PEOPLE)

    with pytest.raises(BadInput, match="did you mean `name`") as refused:
        do("update", **KEY, text="Dear {{ names }}")
    assert refused.value.field is None
    assert says()["text"] == "Dear {{ name }}"


def test_a_time_that_has_gone_by_meanwhile_is_no_fault(do, database, sale):
    """It was judged when it was said; a new one is judged now."""
    do("create", **SALE, scheduled_at=SOON)
    with database.begin() as tx:
        tx.execute(text("UPDATE mailing SET scheduled_at = now() - interval '1 day'"))

    do("update", **KEY, name="Late sale")
    with pytest.raises(BadInput, match="is past"):
        do("update", **KEY, scheduled_at="2020-01-01T00:00:00Z")
    assert sale().name == "Late sale"


@pytest.mark.parametrize(
    ("said", "pointer"),
    [({"subject": None}, "/subject"), ({"text": None}, "/text"), ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at")],
)
def test_a_change_that_leaves_no_mailing_is_refused(do, says, said, pointer):
    """When the call runs: only then it is known what else there is."""
    do("create", **SALE)

    with pytest.raises(BadInput) as refused:
        do("update", **KEY, **said)
    assert refused.value.field == pointer
    assert says()["text"] == SALE["text"]


def test_what_was_started_is_not_changed(do, database, sale):
    """Not from the moment on when it is complete."""
    do("create", **SALE, recipients=PEOPLE, start=True)
    with pytest.raises(Conflict, match="is complete: only one that was not started"):
        do("update", **KEY, name="x")

    sealing.seal_complete(database)

    with pytest.raises(Conflict, match="is running: only one that was not started"):
        do("update", **KEY, recipients=PEOPLE)
    assert (sale().name, sale().num_loaded) == ("Sale", 5)


def test_what_somebody_else_is_filling_is_not_changed(do, database, sale):
    """Nobody waits for him, and all calls behind."""
    do("create", **SALE)

    with database.begin() as tx:
        mailings.lock_load(tx, sale().id)
        with pytest.raises(Conflict, match="is just being filled by somebody else"):
            do("update", **KEY, recipients=PEOPLE)
        with pytest.raises(Conflict, match="is being loaded by somebody else"):
            do("delete", **KEY)


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize("scheduled_at", [None, SOON])
@pytest.mark.parametrize("sealed", [False, True])
def test_what_has_not_begun_is_deleted(do, database, sale, addresses, start, scheduled_at, sealed):
    """With its recipients, however it stands; its key is free again."""
    do("create", **SALE, recipients=PEOPLE, start=start, scheduled_at=scheduled_at)
    if sealed:
        sealing.seal_complete(database)
    if sealed and start and not scheduled_at:
        with pytest.raises(Conflict, match="is running: only one that has not begun"):
            do("delete", **KEY)
        return

    done = do("delete", **KEY)

    assert (sale(), addresses()) == (None, [])
    assert done.details == {"num_profiles": 5}
    do("create", **SALE, recipients=PEOPLE[:1])
    assert sale().num_loaded == 1


def test_a_draft_is_started_once(do, database, sale):
    """Again is no mistake."""
    do("create", **SALE, recipients=PEOPLE)

    with wakes_the_leader(database):
        perform(do, "start")
    perform(do, "start")

    sealing.seal_complete(database)
    assert sale().state is State.RUNNING
    assert perform(do, "start").details["state"] == "running"


def test_it_is_paused_resumed_and_cancelled(do, database, running, sale, addresses):
    """Workers learn of it by the database, the leader is woken; again is no mistake."""
    for action, state in (("pause", "paused"), ("pause", "paused"), ("resume", "running"), ("resume", "running")):
        assert perform(do, action).details == {"state": state, "num_profiles": 5}
        assert sale().state == state

    with wakes_the_leader(database):
        perform(do, "cancel")

    assert sale().state is State.CANCELLED
    assert {state for _, state in addresses()} == {"skipped"}
    assert perform(do, "cancel").details["state"] == "cancelled"


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ("pause", "is draft: you cannot pause"),
        ("resume", "is draft: you cannot resume"),
        ("resend", "nothing of it can be sent again"),
    ],
)
def test_what_its_state_does_not_allow_is_refused(do, sale, action, why):
    """And it stays as it is."""
    do("create", **SALE)

    with pytest.raises(Conflict, match=why):
        perform(do, action)
    assert sale().state is State.DRAFT


@pytest.fixture
def failed(do, database, running, sale, us):
    """The mailing has ended; 2 and 5 are in error."""
    with database.begin() as tx:
        ids = tx.execute(text("SELECT id FROM batch ORDER BY number")).scalars().all()
    return end(database, Made(sale().id, sale().public_id, ids), {2, 5})


def test_errors_are_sent_again(do, database, failed, sale, addresses):
    """All of them, of all batches, and noted in the audit; a second time there is none."""
    assert sale().state is State.FINISHED

    with wakes_the_leader(database):
        done = perform(do, "resend")

    assert done.details == {"state": "running", "num_profiles": 5, "num_resent": 2}
    assert [address for address, state in addresses() if state == "pending"] == ["r2@x.example", "r5@x.example"]
    with database.begin() as tx:
        noted = tx.execute(text("SELECT actor, (details->>'num')::int FROM audit ORDER BY id")).all()
    assert [tuple(each) for each in noted] == [("call", 1), ("call", 1)]
    assert perform(do, "resend").details["num_resent"] == 0


def test_those_who_are_named_are_sent_to_again(do, database, failed, sale, addresses):
    """All of them or nobody."""
    with pytest.raises(NotFound, match=r"has no recipient nobody@x\.example"):
        perform(do, "resend", addresses=["r2@x.example", "nobody@x.example"])
    assert sale().state is State.FINISHED

    assert perform(do, "resend", addresses=["R5@x.example"]).details["num_resent"] == 1

    assert [address for address, state in addresses() if state == "pending"] == ["r5@x.example"]
    with database.begin() as tx:
        assert [each.actor for each in audit.of_delivery(tx, failed.id, 5)] == ["call"]


def test_more_batches_than_can_be_held_are_left_alone(do, failed, sale, monkeypatch):
    """Workers would wait for all of them."""
    monkeypatch.setattr("mailq.engine.resending.MOST_BATCHES", 1)

    with pytest.raises(Conflict, match="errors in 2 batches, more than the 1 that can be held"):
        perform(do, "resend")
    assert sale().state is State.FINISHED


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("update", {"name": "x"}),
        ("delete", {}),
        *(("perform", {"action": action}) for action in ("start", "pause", "resume", "cancel", "resend")),
    ],
)
def test_those_of_others_are_not_found(do, they, sale, method, said):
    """And stay as they are."""
    do("create", **SALE, recipients=PEOPLE)

    with pytest.raises(NotFound, match="no mailing of the key `sale`"):
        they(method, **KEY, **said)
    assert (sale().state, sale().name, sale().loaded_at) == ("loading", "Sale", None)


def test_a_key_is_all_that_it_goes_by(do, sale):
    """Our own ids are no keys."""
    do("create", **SALE)

    with pytest.raises(NotFound):
        do("delete", type="mailing", customer_key=sale().public_id)


def test_a_mailing_of_a_file_is_left_to_whoever_loads_it(do, database, us, sale):
    """It is submitted again, or dropped, where the file is."""
    content = Content(subject="x", sender="shop@x.example", text="x")
    with database.begin() as tx:
        mailings.create(tx, drafting.draft(us, MailingOrder("Sale", content, key="sale"), "of a file"))

    do("create", type="recipient_list", customer_key="friends", name="Friends", recipients=[{"address": "ann@x.example"}])
    changes = ({"recipients": PEOPLE}, {"name": "x"}, {"recipient_list": "friends"})
    for method, said in (*(("update", change) for change in changes), ("perform", {"action": "start"})):
        with pytest.raises(Conflict, match="is loaded from a file"):
            do(method, **KEY, **said)


@pytest.mark.parametrize(
    ("method", "said", "pointer"),
    [
        ("create", {"customer_key": None}, "/customer_key"),
        ("create", {"name": None}, "/name"),
        ("create", {"subject": None}, "/subject"),
        ("create", {"sender": "nobody"}, "/sender"),
        ("create", {"text": "{% if %}"}, "/text"),
        ("create", {"text": None}, "/text"),
        ("create", {"html": "\ud800"}, "/html"),
        ("create", {"headers": {"Bcc": "x@x.example"}}, "/headers/Bcc"),
        ("create", {"scheduled_at": "tomorrow"}, "/scheduled_at"),
        ("create", {"scheduled_at": "2026-12-24T18:00:00"}, "/scheduled_at"),
        ("create", {"scheduled_at": "9999-12-31T23:59:59-23:59"}, "/scheduled_at"),
        ("create", {"scheduled_at": "0001-01-01T00:00:00+23:59"}, "/scheduled_at"),
        ("create", {"scheduled_at": 1_800_000_000}, "/scheduled_at"),
        ("create", {"scheduled_at": LATER, "expires_at": SOON}, "/expires_at"),
        ("create", {"repeats": "yes"}, "/repeats"),
        ("create", {"repeats": 1}, "/repeats"),
        ("create", {"start": None}, "/start"),
        ("create", {"lane": "fast"}, "/lane"),
        ("create", {"recipients": []}, "/recipients"),
        ("create", {"recipients": [{"address": "ann@x.example"}, {"address": 7}]}, "/recipients/1/address"),
        ("create", {"recipients": [{"subscriber": "ann"}]}, "/recipients/0/subscriber"),
        (
            "create",
            {"recipients": [{"address": "a@x.example", "variables": {"address": "x"}}]},
            "/recipients/0/variables/address",
        ),
        ("create", {"recipients": [{"address": "a@x.example", "variables": {"n": 10**400}}]}, "/recipients/0/variables/n"),
        ("create", {"recipients": [{"address": f"r{n}@x.example"} for n in range(5001)]}, "/recipients"),
        ("create", {"recipient_list": 7}, "/recipient_list"),
        ("create", {"ready_made": True}, "/subject"),
        ("create", {"batch_size": 7}, "/batch_size"),
        ("update", {}, ""),
        ("update", {"name": None}, "/name"),
        ("update", {"text": "{% if %}"}, "/text"),
        ("update", {"sender": "nobody"}, "/sender"),
        ("update", {"scheduled_at": LATER, "expires_at": SOON}, "/expires_at"),
        ("update", {"ready_made": True}, "/ready_made"),
        ("delete", {"name": "x"}, "/name"),
        ("perform", {}, "/action"),
        ("perform", {"action": "explode"}, "/action"),
        ("perform", {"action": "start", "addresses": ["a@x.example"]}, "/addresses"),
        ("perform", {"action": "resend", "addresses": []}, "/addresses"),
        ("perform", {"action": "resend", "addresses": ["a@x.example"] * 101}, "/addresses"),
    ],
)
def test_what_is_at_fault_is_named(method, said, pointer):
    """When the call is accepted, and so before anything is stored."""
    whole = (SALE if method == "create" else KEY) | said

    with pytest.raises(BadInput) as refused:
        order.read({"method": method, "objects": [whole]})
    assert refused.value.field == f"/objects/0{pointer}"


def test_a_mailing_that_was_dropped_meanwhile_is_gone(do, database, sale):
    """By whoever else may."""
    do("create", **SALE)
    steering.drop(database, sale().public_id)

    with pytest.raises(NotFound):
        perform(do, "start")


def test_times_are_those_of_any_zone():
    """As ISO 8601 has them."""
    for said in (SOON, SOON.replace("+01:00", "Z"), (datetime.now(UTC) + timedelta(days=1)).isoformat()):
        order.read({"method": "create", "objects": [SALE | {"scheduled_at": said}]})
