"""Calls of an organization: found by it alone, listed a page at a time, extracted for a time range; answers tried again."""

from contextlib import nullcontext
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from mailq.admin import calls, conversations, notifications, webhook_secrets
from mailq.admin.calls import State
from mailq.engine.calls import order
from mailq.engine.calls.kind import Means
from mailq.engine.calls.terms import Terms
from mailq.errors import BadInput, Conflict, NotFound, Unavailable
from tests.support.call_running import RESPOND, TERMS, messages, part, release, run_all, send, suppress

EVER = {"since": datetime(2020, 1, 1, tzinfo=UTC), "until": datetime(2150, 1, 1, tzinfo=UTC)}
HOOK = {"response_type": "http_post", "response_address": "https://hooks.example/mailq", "respond_when": "always"}


def sent(database, *addresses, **options):
    return send(database, suppress(*addresses), **options).request_id


def ids(page):
    return [each.request_id for each in page.data]


def test_a_call_is_shown_with_its_results_and_answers(database, us):
    said = suppress("ann@x.example", "bob@x.example", send_response_to=[HOOK])
    received = send(database, said, organization_id=us)
    assert calls.show(database, us, received.request_id) == (calls.find(database, us, received.request_id), [], [])

    run_all(database)

    shown = calls.show(database, us, received.request_id)
    assert (shown.call.state, shown.call.num_objects) == (State.FINISHED, 2)
    assert [each.correlation_id for each in shown.results] == ["c-ann@x.example", "c-bob@x.example"]
    assert calls.results(database, us, received.request_id) == shown.results
    assert [(each.event, each.state) for each in shown.notifications] == [("call.finished", "pending")]


def test_what_is_anothers_is_not_found_and_an_operator_sees_all(database, us, them):
    theirs = sent(database, "ann@x.example", organization_id=them)
    for ask in (calls.find, calls.show, calls.results):
        with pytest.raises(NotFound, match=theirs):
            ask(database, us, theirs)
    with pytest.raises(NotFound):
        calls.cancel(database, us, theirs, respond=RESPOND)
    with pytest.raises(BadInput, match="cursor"):
        calls.list_(database, us, cursor=theirs)
    assert calls.find(database, None, theirs).state is State.READY
    assert ids(calls.list_(database, us)) == []
    assert ids(calls.list_(database, None)) == [theirs]


def test_calls_are_listed_a_page_at_a_time_by_state_and_conversation(database, us):
    singles = [sent(database, f"p{number}@x.example", organization_id=us) for number in range(3)]
    parts = [send(database, part(code, 3, suppress(f"c{code}@x.example")), organization_id=us).request_id for code in (2, 1)]
    first = calls.list_(database, us, limit=3)
    second = calls.list_(database, us, limit=3, cursor=first.next_cursor)
    assert ids(first) + ids(second) == [*singles, *parts][::-1]
    assert second.next_cursor is None
    assert ids(calls.list_(database, us, states=[State.WAITING])) == parts[::-1]
    assert ids(calls.list_(database, us, conversation_id="c")) == parts[::-1]
    with pytest.raises(NotFound, match="no conversation `d`"):
        calls.list_(database, us, conversation_id="d")
    with pytest.raises(BadInput, match="say which"):
        calls.list_(database, None, conversation_id="c")


def test_a_refusal_is_raised_and_what_it_ends_is_committed(database, us):
    """The conversation is in error although the part that came too late was refused."""
    send(database, part(1, 2, suppress("c1@x.example")), organization_id=us)
    with database.begin() as tx:
        tx.execute(text("UPDATE conversation SET last_part_at = now() - interval '6 minutes'"))
    late = order.read(part(2, 2, suppress("c2@x.example")))
    with pytest.raises(Conflict, match="in error"):
        calls.send(database, us, late, terms=Terms(respond=RESPOND))
    shown = conversations.show(database, us, "c")
    assert (shown.conversation.state, shown.missing, shown.in_error) == ("error", [2], None)


def test_a_synchronous_call_is_run_here_and_now(database, us):
    said = order.read(suppress("ann@x.example", request_type="synchronous"), key="once")
    ended = calls.run(database, us, said, means=Means(us), terms=TERMS)
    again = calls.run(database, us, said, means=Means(us), terms=TERMS)
    assert (ended.created, again.created, again.results) == (True, False, ended.results)
    assert messages(ended.results) == ["ann@x.example is suppressed from now on"]


@pytest.mark.parametrize(("num_crossed", "is_run"), [(4, True), (5, False)])
def test_a_synchronous_call_that_was_broken_off_for_another_transaction_is_run_anew(database, us, num_crossed, is_run):
    with database.begin() as tx:
        tx.execute(
            text(f"""
            CREATE SEQUENCE tries;
            CREATE FUNCTION cross_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('tries') <= {num_crossed} THEN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END IF;
                RETURN NEW; END $$;
            CREATE TRIGGER cross_it BEFORE INSERT ON call_result FOR EACH ROW EXECUTE FUNCTION cross_it()""")
        )
    said = order.read(suppress("ann@x.example", request_type="synchronous"), key="k")
    with nullcontext() if is_run else pytest.raises(Unavailable):
        assert calls.run(database, us, said, means=Means(us), terms=TERMS).state is State.FINISHED
    assert len(calls.list_(database, us).data) == is_run


def test_all_results_of_a_time_range_are_extracted_in_the_order_of_their_ends(database, us, them, monkeypatch):
    """Over the ends of pages, each once; what has not run has none."""
    monkeypatch.setattr(calls, "_PAGE", 4)
    wanted = [sent(database, *(f"p{number}-{one}@x.example" for one in range(3)), organization_id=us) for number in range(4)]
    sent(database, "theirs@x.example", organization_id=them)
    calls.cancel(database, us, sent(database, "never@x.example", organization_id=us), respond=RESPOND)
    run_all(database)
    sent(database, "later@x.example", organization_id=us)

    found = calls.extract(database, us, **EVER)

    rows = list(found.rows)
    assert [(each.request_id, each.result.ordinal) for each in rows] == [(each, one) for each in wanted for one in (1, 2, 3)]
    assert found.num == len(rows)
    last = rows[-1].ended_at
    assert {each.request_id for each in calls.extract(database, us, since=last, until=EVER["until"]).rows} == {wanted[-1]}
    assert wanted[-1] not in {each.request_id for each in calls.extract(database, us, since=EVER["since"], until=last).rows}


@pytest.mark.parametrize(
    ("since", "until", "field"),
    [
        (datetime(2026, 1, 1), EVER["until"], "from"),  # noqa: DTZ001 - that is the fault
        (EVER["since"], datetime(2026, 1, 1), "to"),  # noqa: DTZ001
        (EVER["since"], EVER["since"], "to"),
    ],
)
def test_a_range_that_is_none_is_refused(database, us, since, until, field):
    with pytest.raises(BadInput) as caught:
        calls.extract(database, us, since=since, until=until)
    assert caught.value.field == field


def test_a_conversation_says_what_it_lacks_and_which_part_was_in_error(database, us):
    send(database, part(3, 4, suppress("c3@x.example")), organization_id=us)
    assert conversations.show(database, us, "c").missing == [1, 2, 4]
    for code, said in ((1, suppress("c1@x.example")), (2, release("nobody@x.example")), (4, suppress("c4@x.example"))):
        send(database, part(code, 4, said), organization_id=us)
    run_all(database)

    shown = conversations.show(database, us, "c")
    assert (shown.conversation.state, shown.missing, shown.in_error) == ("error", [], 2)
    first = conversations.parts(database, us, "c", limit=3)
    rest = conversations.parts(database, us, "c", limit=3, cursor=first.next_cursor)
    assert [each.state for each in first.data + rest.data] == ["finished", "error", "not_run", "not_run"]
    assert rest.next_cursor is None
    told = [(each.sequence_code, each.result.status) for each in conversations.results(database, us, "c")]
    assert told == [(1, "ok"), (2, "error")]


def test_the_results_of_a_conversation_are_read_over_the_ends_of_pages(database, us, monkeypatch):
    monkeypatch.setattr(conversations, "_PAGE", 2)
    for code in (1, 2, 3):
        send(database, part(code, 3, suppress(*(f"c{code}-{one}@x.example" for one in (1, 2, 3)))), organization_id=us)
    run_all(database)
    told = [(each.sequence_code, each.result.ordinal) for each in conversations.results(database, us, "c")]
    assert told == [(code, one) for code in (1, 2, 3) for one in (1, 2, 3)]


def test_conversations_are_listed_and_are_their_organizations_own(database, us, them):
    for key in ("a", "b", "c"):
        send(database, part(1, 2, suppress(f"{key}@x.example"), of=key), organization_id=us)
    first = conversations.list_(database, us, limit=2)
    rest = conversations.list_(database, us, limit=2, cursor=first.next_cursor)
    assert [each.conversation_id for each in first.data + rest.data] == ["c", "b", "a"]
    assert conversations.list_(database, them).data == []
    for ask in (conversations.show, conversations.parts, conversations.results):
        with pytest.raises(NotFound, match="no conversation `a`"):
            ask(database, them, "a")
    with pytest.raises(BadInput):
        conversations.parts(database, us, "a", cursor="x")
    with pytest.raises(BadInput):
        conversations.list_(database, us, cursor="x")


def test_of_a_conversation_whose_parts_are_deleted_nobody_says_what_it_lacked(database, us):
    """Its id is kept for ever, and so is why it was in error."""
    send(database, part(1, 2, suppress("c1@x.example")), organization_id=us)
    with database.begin() as tx:
        tx.execute(text("UPDATE conversation SET state = 'error', error = 'late', ended_at = now()"))
        tx.execute(text("DELETE FROM call"))
    shown = conversations.show(database, us, "c")
    assert (shown.missing, shown.conversation.error) == (None, "late")


@pytest.fixture
def given_up(database, us):
    """A webhook that nobody has taken."""
    received = send(database, suppress("ann@x.example", send_response_to=[HOOK]), organization_id=us)
    run_all(database)
    with database.begin() as tx:
        tx.execute(
            text("UPDATE notification SET state = 'error', attempts = 10, due_at = NULL, settled_at = now(), reply = '500 Oops'")
        )
    (found,) = calls.show(database, us, received.request_id).notifications
    return received.request_id, found.notification_id


def test_an_answer_in_error_is_tried_again_at_once_and_audited(database, us, given_up):
    request_id, notification_id = given_up
    assert notifications.again(database, us, notification_id, actor="ops@x").attempts == 10

    (found,) = calls.show(database, us, request_id).notifications
    assert (found.notification_id, found.state, found.attempts, found.settled_at) == (notification_id, "pending", 0, None)
    with database.begin() as tx:
        due, actor, action, details = tx.execute(
            text("SELECT due_at <= now(), actor, action, audit.details FROM notification, audit")
        ).one()
    assert (due, actor, action) == (True, "ops@x", "notification.again")
    assert details == {"notification": notification_id, "attempts": 10, "reply": "500 Oops"}
    with pytest.raises(Conflict, match="is pending"):
        notifications.again(database, us, notification_id, actor="ops@x")


def test_no_other_answer_is_tried_again(database, us, them, given_up):
    _, notification_id = given_up
    with pytest.raises(NotFound):
        notifications.again(database, them, notification_id, actor="ops@x")
    with database.begin() as tx:
        tx.execute(text("UPDATE notification SET address = 'ann@x.example'"))
    with pytest.raises(Conflict, match="e-mail that could not be made"):
        notifications.again(database, us, notification_id, actor="ops@x")
    with database.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM audit")).scalar_one() == 0


def test_webhook_secrets_are_called_by_what_tells_nothing_of_them(database):
    (first,) = webhook_secrets.list_(database, "default")
    second = webhook_secrets.add(database, "default", actor="ops@x")
    given = webhook_secrets.add(database, "default", "whsec_" + "QUJD" * 10, actor="ops@x")
    assert webhook_secrets.list_(database, "default") == [first, second, given]
    webhook_secrets.remove(database, "default", first.id, actor="ops@x")
    assert webhook_secrets.list_(database, "default") == [second, given]
    with database.begin() as tx:
        noted = tx.execute(text("SELECT action, details::text FROM audit ORDER BY id")).all()
    assert [each.action for each in noted] == ["webhook_secret.add", "webhook_secret.add", "webhook_secret.remove"]
    for each in (first, second, given):
        assert each.secret not in repr(each) + str(noted)
        assert each.id not in each.secret


def test_what_is_no_secret_or_the_last_one_is_refused(database):
    (only,) = webhook_secrets.list_(database, "default")
    with pytest.raises(Conflict, match="only"):
        webhook_secrets.remove(database, "default", only.id, actor="ops@x")
    for wrong in ("whsec_short", "", "QUJD"):
        with pytest.raises(BadInput) as caught:
            webhook_secrets.add(database, "default", wrong, actor="ops@x")
        assert not wrong or wrong not in str(caught.value)
    with pytest.raises(NotFound, match="no webhook secret"):
        webhook_secrets.remove(database, "default", "000000000000", actor="ops@x")
    with pytest.raises(NotFound, match="no organization"):
        webhook_secrets.list_(database, "nobody")
