"""What a producer may expect of every door that takes calls: they mean the same, and are told alike."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from mailq import Call, Response, bootstrap
from mailq.errors import BadInput, Conflict, MailqError, NotFound
from mailq.settings import Settings
from mailq.store.call_tables import call, conversation
from mailq.store.database import Database
from tests.support.doors import DoorUnderTest, Ground, OutboxUnderTest

ANN: dict[str, Any] = {
    "type": "subscriber",
    "customer_key": "ann",
    "address": "ann@x.example",
    "attributes": {"name": "Ännchen 🎉"},
}
BOB: dict[str, Any] = {"type": "subscriber", "customer_key": "bob", "address": "bob@x.example"}
HOOK = Response("http_post", "https://hooks.example/mailq", "on_call_complete", include_results=True)


@pytest.fixture
def run(ground: Ground) -> Callable[[], None]:
    """What the leader does about calls."""
    runner = bootstrap.runner(Settings(database_url=ground.url), ground.database)

    def work() -> None:
        runner.sweep()
        while runner.run_due():
            pass

    return work


def count(database: Database, table: Any) -> int:
    with database.begin() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def part(code: int, number: int, *objects: dict[str, Any], of: str = "import 7/ü") -> Call:
    return Call("create", objects or [ANN], conversation_id=of, sequence_code=code, calls_in_conversation=number)


def subscriber(number: int) -> dict[str, Any]:
    return {"type": "subscriber", "customer_key": f"s{number}", "address": f"s{number}@x.example"}


def test_a_call_is_run_and_told_object_by_object(the_door: DoorUnderTest, run: Callable[[], None]) -> None:
    objects = [ANN | {"correlation_id": "first"}, BOB, ANN | {"correlation_id": "again"}]
    accepted = the_door.do(lambda client: client.call(Call("create", objects, priority="high", key="people")))
    request_id = the_door.call_of(accepted)

    assert (accepted.created, accepted.results) == (True, None)
    assert accepted.state == ("spooled" if isinstance(the_door, OutboxUnderTest) else "ready")
    before = the_door.asking.call_state(request_id)
    assert (before.state, before.key, before.method, before.priority, before.num_objects) == (
        "ready",
        "people",
        "create",
        "high",
        3,
    )
    assert the_door.asking.call_results(request_id) == []
    the_door.arrive()
    run()

    after = the_door.asking.call_state(request_id)
    assert after.state == "error"
    assert after.ended_at is not None
    assert "ann" in str(after.error)
    results = the_door.asking.call_results(request_id)
    assert [(each.ordinal, each.status, each.type, each.customer_key, each.correlation_id) for each in results] == [
        (1, "ok", "subscriber", "ann", "first"),
        (2, "ok", "subscriber", "bob", None),
        (3, "error", "subscriber", "ann", "again"),
    ]
    assert results[0].details["status"] == "active"


def test_the_same_key_with_the_same_words_is_the_same_call(
    the_door: DoorUnderTest, run: Callable[[], None], database: Database
) -> None:
    said = Call("create", [ANN], key="ann")
    first = the_door.do(lambda client: client.call(said))
    request_id = the_door.call_of(first)
    run()
    again = the_door.do(lambda client: client.call(said))

    assert the_door.call_of(again) == request_id
    assert again.created is isinstance(the_door, OutboxUnderTest)
    run()
    assert count(database, call) == 1
    assert the_door.asking.call_state(request_id).state == "finished"


def test_the_same_key_with_other_words_is_a_conflict(the_door: DoorUnderTest, database: Database) -> None:
    the_door.do(lambda client: client.call(Call("create", [ANN], key="ann")))
    refusal = the_door.refusal(lambda client: client.call(Call("create", [BOB], key="ann")))

    assert isinstance(refusal, Conflict)
    assert isinstance(the_door, OutboxUnderTest) or refusal.field == "/key"
    assert count(database, call) == 1


def test_without_keys_the_same_words_are_two_calls(the_door: DoorUnderTest, database: Database) -> None:
    for _ in range(2):
        the_door.do(lambda client: client.call(Call("create", [ANN])))

    assert count(database, call) == 2


def test_the_parts_of_a_conversation_run_in_sequence_once_all_are_there(the_door: DoorUnderTest, run: Callable[[], None]) -> None:
    for code in (3, 1):
        taken = the_door.do(lambda client, code=code: client.call(part(code, 3, subscriber(code))))
        assert (taken.conversation_id, taken.sequence_code) == ("import 7/ü", code)
        run()
    waiting = the_door.asking.conversation("import 7/ü")
    assert (waiting.state, waiting.num_received, waiting.num_run, waiting.missing) == ("receiving", 2, 0, (2,))
    the_door.arrive()

    the_door.do(lambda client: client.call(part(2, 3, subscriber(2))))
    run()

    ended = the_door.asking.conversation("import 7/ü")
    assert (ended.state, ended.num_run, ended.missing, ended.error) == ("finished", 3, (), None)
    results = list(the_door.asking.conversation_results("import 7/ü"))
    assert [(each.sequence_code, each.customer_key, each.status) for each in results] == [
        (1, "s1", "ok"),
        (2, "s2", "ok"),
        (3, "s3", "ok"),
    ]
    assert len({each.request_id for each in results}) == 3


def test_a_conversation_without_numbers_has_one_part(the_door: DoorUnderTest, run: Callable[[], None]) -> None:
    taken = the_door.do(lambda client: client.call(Call("create", [ANN], conversation_id="once")))
    run()

    assert (taken.conversation_id, taken.sequence_code) == ("once", 1)
    assert the_door.asking.conversation("once").state == "finished"


def test_a_repeated_part_is_recognised_and_anything_else_in_its_place_is_a_conflict(
    the_door: DoorUnderTest, run: Callable[[], None], database: Database
) -> None:
    first = the_door.call_of(the_door.do(lambda client: client.call(part(1, 2))))
    again = the_door.do(lambda client: client.call(part(1, 2)))
    assert the_door.call_of(again) == first
    assert again.created is isinstance(the_door, OutboxUnderTest)

    for other in (part(1, 2, BOB), part(2, 3, BOB)):
        assert isinstance(the_door.refusal(lambda client, other=other: client.call(other)), Conflict)
    the_door.do(lambda client: client.call(part(2, 2, BOB)))
    run()
    assert the_door.call_of(the_door.do(lambda client: client.call(part(1, 2)))) == first
    assert isinstance(the_door.refusal(lambda client: client.call(part(3, 3, BOB))), Conflict)
    assert count(database, call) == 2


def test_a_part_that_is_late_is_refused_and_its_conversation_in_error(
    the_door: DoorUnderTest, run: Callable[[], None], database: Database
) -> None:
    """The error is there though the part is refused; and the producer's own transaction goes on."""
    the_door.do(lambda client: client.call(part(1, 2)))
    with database.begin() as tx:
        tx.execute(text("UPDATE conversation SET last_part_at = last_part_at - interval '6 minutes'"))
    refusal = the_door.refusal(lambda client: client.call(part(2, 2, BOB)))
    the_door.arrive()
    run()

    assert isinstance(refusal, Conflict)
    assert the_door.asking.conversation("import 7/ü").state == "error"
    assert count(database, call) == 1


CALL_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"method": "make"}, "/method"),
    ({"objects": []}, "/objects"),
    ({"objects": ANN}, "/objects"),
    ({"objects": [ANN, {"type": "template"}]}, "/objects/1/type"),
    ({"objects": [ANN, BOB | {"address": "nobody"}]}, "/objects/1/address"),
    ({"objects": [ANN | {"correlation_id": "a"}, BOB | {"correlation_id": "a"}]}, "/objects/1/correlation_id"),
    ({"objects": [ANN | {"attributes": {"name": object()}}]}, "/objects"),
    ({"objects": [ANN | {"attributes": {"name": "\0"}}]}, "/objects"),
    ({"objects": [ANN | {"attributes": {"name": float("nan")}}]}, "/objects"),
    ({"priority": "urgent"}, "/options/priority"),
    ({"request_type": "later"}, "/options/request_type"),
    ({"scheduled_time": datetime(2030, 1, 1)}, "/options/scheduled_time"),  # noqa: DTZ001 - that is the fault
    ({"sequence_code": 1}, "/options/sequence_code"),
    ({"conversation_id": "c", "sequence_code": 1}, "/options/calls_in_conversation"),
    ({"conversation_id": "c", "sequence_code": 3, "calls_in_conversation": 2}, "/options/sequence_code"),
    ({"conversation_id": "c", "sequence_code": 1, "calls_in_conversation": 10_001}, "/options/calls_in_conversation"),
    ({"send_response_to": HOOK}, "/options/send_response_to"),
    ({"send_response_to": [Response("http_post", "nowhere")]}, "/options/send_response_to/0/response_address"),
    ({"send_response_to": [HOOK, Response("email", "nobody")]}, "/options/send_response_to/1/response_address"),
    ({"key": "two\nlines"}, "/key"),
]


def test_a_call_at_fault_is_refused_with_a_pointer(the_door: DoorUnderTest, database: Database) -> None:
    """One after the other through one door: a refusal closes it to nothing."""
    for fault, pointer in CALL_FAULTS:
        words = {"method": "create", "objects": [ANN]} | fault
        refusal = the_door.refusal(lambda client, words=words: client.call(Call(**words)))

        assert isinstance(refusal, BadInput), fault
        assert refusal.field == pointer, fault
    assert count(database, call) == count(database, conversation) == 0


def test_what_is_no_call_is_refused(the_door: DoorUnderTest) -> None:
    assert isinstance(the_door.refusal(lambda client: client.call({"method": "create", "objects": [ANN]})), BadInput)


def test_a_call_waits_for_its_time(the_door: DoorUnderTest, run: Callable[[], None]) -> None:
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    accepted = the_door.do(lambda client: client.call(Call("create", [ANN], scheduled_time=soon)))
    request_id = the_door.call_of(accepted)
    run()

    state = the_door.asking.call_state(request_id)
    assert (state.state, state.scheduled_time) == ("scheduled", soon)


def test_a_time_that_is_past_is_refused_but_not_because_an_outbox_has_waited(the_door: DoorUnderTest, database: Database) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)

    def late(client: Any) -> Any:
        return client.call(Call("create", [ANN], scheduled_time=past))

    if isinstance(the_door, OutboxUnderTest):
        assert the_door.asking.call_state(the_door.call_of(the_door.do(late))).state == "ready"
        return
    refusal = the_door.refusal(late)
    assert isinstance(refusal, BadInput)
    assert refusal.field == "/options/scheduled_time"
    assert count(database, call) == 0


def test_a_call_is_taken_back_before_it_runs_and_not_after(the_door: DoorUnderTest, run: Callable[[], None]) -> None:
    first = the_door.call_of(the_door.do(lambda client: client.call(Call("create", [ANN]))))
    asking = the_door.asking
    assert asking.cancel_call(first).state == "cancelled"
    assert asking.cancel_call(first).state == "cancelled"
    the_door.arrive()
    second = the_door.call_of(the_door.do(lambda client: client.call(Call("create", [BOB]))))
    piece = the_door.call_of(the_door.do(lambda client: client.call(part(1, 2))))
    run()

    assert asking.call_state(first).state == "cancelled"
    for request_id in (second, piece):
        with pytest.raises(Conflict):
            asking.cancel_call(request_id)


def test_a_synchronous_call_is_answered_with_its_results(the_door: DoorUnderTest, database: Database) -> None:
    now = Call("create", [ANN | {"correlation_id": "a"}, ANN], request_type="synchronous", key="now")
    if isinstance(the_door, OutboxUnderTest):
        refusal = the_door.refusal(lambda client: client.call(now))
        assert isinstance(refusal, BadInput)
        assert refusal.field == "/options/request_type"
        return
    ended = the_door.do(lambda client: client.call(now))
    again = the_door.do(lambda client: client.call(now))

    assert (ended.created, ended.state, [each.status for each in ended.results]) == (True, "error", ["ok", "error"])
    assert ended.results[0].correlation_id == "a"
    assert ended.error
    assert (again.created, again.request_id, again.results) == (False, ended.request_id, ended.results)
    assert the_door.asking.call_results(ended.request_id) == list(ended.results)
    assert count(database, call) == 1


def test_the_answers_that_a_call_asks_for_are_made(the_door: DoorUnderTest, run: Callable[[], None], database: Database) -> None:
    the_door.do(lambda client: client.call(Call("create", [ANN], send_response_to=[HOOK])))
    run()

    with database.begin() as tx:
        [told] = tx.execute(text("SELECT event, address, payload FROM notification")).all()
    assert (told.event, told.address) == ("call.finished", HOOK.response_address)
    assert "ann" in str(told.payload)


def test_calls_are_taken_in_maintenance_which_they_are_told(
    the_door: DoorUnderTest, run: Callable[[], None], database: Database
) -> None:
    with database.begin() as tx:
        tx.execute(text("UPDATE installation SET maintenance_since = now(), maintenance_by = 'me'"))
    try:
        accepted = the_door.do(lambda client: client.call(Call("create", [ANN])))
        request_id = the_door.call_of(accepted)
        run()
        assert accepted.maintenance is not isinstance(the_door, OutboxUnderTest)
        assert the_door.asking.call_state(request_id).state == "ready"
    finally:
        with database.begin() as tx:
            tx.execute(text("UPDATE installation SET maintenance_since = NULL, maintenance_by = NULL"))
    the_door.arrive()
    run()
    assert the_door.asking.call_state(request_id).state == "finished"


def test_calls_and_conversations_that_are_not_there_are_not_found(the_door: DoorUnderTest) -> None:
    asking = the_door.asking
    asks: list[Callable[[], Any]] = [
        lambda: asking.call_state("req_0123456789abcdef"),
        lambda: asking.call_results("req_0123456789abcdef"),
        lambda: asking.cancel_call("req_0123456789abcdef"),
        lambda: asking.conversation("never/used"),
        lambda: list(asking.conversation_results("never/used")),
    ]
    for ask in asks:
        with pytest.raises(NotFound) as told:
            ask()
        assert isinstance(told.value, MailqError)
