"""`call`: sent from a file, listed, shown, taken back; a mistake is a sentence with a place, never a traceback."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from mailq.admin import maintenance
from mailq.store.database import Database
from tests.integration.cli.conftest import Command
from tests.support.call_running import part, release, run_all, suppress

Given = Callable[[object], str]
HOOK = {"response_type": "http_post", "response_address": "https://hooks.example/mailq"}


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """Writes a call into a file."""

    def write(said: object) -> str:
        path = tmp_path / "call.json"
        path.write_text(said if isinstance(said, str) else json.dumps(said))
        return str(path)

    return write


@pytest.fixture
def send(mailqctl: Command, given: Given) -> Callable[..., str]:
    """Sends a call; its request id."""

    def send(said: Mapping[str, Any], *words: str) -> str:
        done = mailqctl("call", "send", given(said), *words)
        assert done.code == 0, done.err
        return done.out.strip()

    return send


def test_a_call_is_sent_once_for_its_key_run_and_shown(mailqctl: Command, database: Database, send: Callable[..., str]) -> None:
    said = suppress("ann@x.example", "bob@x.example", send_response_to=[HOOK])
    request_id = send(said, "--key", "order-1")
    assert send(said, "--key", "order-1") == request_id
    assert "order-1" in mailqctl("call", "show", request_id).out

    run_all(database)

    shown = mailqctl("call", "show", request_id, "--json").document
    assert (shown["request_id"], shown["state"], shown["key"], shown["num_objects"]) == (request_id, "finished", "order-1", 2)
    assert [each["correlation_id"] for each in shown["results"]] == ["c-ann@x.example", "c-bob@x.example"]
    assert [(each["state"], each["attempts"]) for each in shown["notifications"]] == [("pending", 0)]
    assert shown["maintenance"] is False
    table = mailqctl("call", "show", request_id).out
    assert "bob@x.example is suppressed from now on" in table
    assert "https://hooks.example/mailq" in table


def test_what_was_sent_before_says_so_and_other_words_are_a_conflict(mailqctl: Command, given: Given) -> None:
    first = mailqctl("call", "send", given(suppress("ann@x.example")), "--key", "k", "--json").document
    again = mailqctl("call", "send", given(suppress("ann@x.example")), "--key", "k", "--json").document
    assert (first["created"], again["created"], again["request_id"]) == (True, False, first["request_id"])
    assert "sent before" in mailqctl("call", "send", given(suppress("ann@x.example")), "--key", "k").err
    other = mailqctl("call", "send", given(suppress("bob@x.example")), "--key", "k")
    assert (other.code, first["request_id"] in other.err) == (5, True)


def test_a_call_comes_from_stdin_too_and_may_be_another_organizations(mailqctl: Command) -> None:
    mailqctl("organization", "create", "acme")
    said = json.dumps(suppress("ann@x.example"))
    sent = mailqctl("call", "send", "-", "--organization", "acme", stdin=said)
    assert sent.code == 0, sent.err
    assert [each["request_id"] for each in mailqctl("call", "list", "--json").document] == [sent.out.strip()]
    assert mailqctl("call", "list", "--json", "--organization", "default").document == []
    assert mailqctl("call", "send", "-", "--organization", "nobody", stdin=said).code == 4


def test_a_synchronous_call_prints_its_results_and_its_error_is_the_exit_code(mailqctl: Command, given: Given) -> None:
    done = mailqctl("call", "send", given(suppress("ann@x.example", request_type="synchronous")), "--key", "k")
    assert (done.code, "is suppressed from now on" in done.out) == (0, True)
    assert "finished" in done.err
    failed = mailqctl("call", "send", given(release("nobody@x.example", request_type="synchronous")), "--json")
    assert (failed.code, failed.document["state"]) == (1, "error")
    assert failed.document["results"][0]["pointer"] == "/objects/0"
    assert "is in error" in mailqctl("call", "send", given(release("nobody@x.example", request_type="synchronous"))).err


def test_in_maintenance_a_call_waits_and_a_synchronous_one_is_refused(
    mailqctl: Command, database: Database, given: Given
) -> None:
    maintenance.on(database, actor="ops@x", why="the relay moves")
    sent = mailqctl("call", "send", given(suppress("ann@x.example")), "--json").document
    assert (sent["state"], sent["maintenance"]) == ("ready", True)
    assert "the relay moves" in mailqctl("call", "send", given(suppress("bob@x.example"))).err
    run_all(database)
    assert "nothing is run now" in mailqctl("call", "show", sent["request_id"]).out
    refused = mailqctl("call", "send", given(suppress("ann@x.example", request_type="synchronous")))
    assert (refused.code, "asynchronous" in refused.err) == (69, True)


@pytest.mark.parametrize(
    ("said", "words", "told"),
    [
        ("{", (), "no JSON"),
        ("[" * 100_000, (), "no JSON"),
        ("\udcff", (), "no JSON"),
        ([1], (), "no call"),
        ({}, (), "/method: "),
        ({"method": "create"}, (), "/objects: "),
        (suppress("ann@x.example", prioryti="high"), (), "/options/prioryti: "),
        (suppress("ann"), (), "/objects/0/address: "),
        (suppress("ann@x.example", scheduled_time="2020-01-01T00:00:00Z"), (), "/options/scheduled_time: "),
        (suppress("ann@x.example") | {"key": "a"}, ("--key", "b"), "--key"),
        (
            suppress("ann@x.example", send_response_to=[HOOK | {"response_address": "http://169.254.169.254/"}]),
            (),
            "/response_address: ",
        ),
        ({"method": "create", "objects": [{"type": "sms"}]}, (), "/objects/0/type: "),
    ],
)
def test_a_mistake_is_a_sentence_that_says_where(
    mailqctl: Command, tmp_path: Path, said: object, words: tuple[str, ...], told: str
) -> None:
    path = tmp_path / "call.json"
    path.write_bytes((said if isinstance(said, str) else json.dumps(said)).encode(errors="surrogateescape"))
    done = mailqctl("call", "send", str(path), *words)
    assert (done.code, done.out) == (65, "")
    assert told in done.err
    assert mailqctl("call", "list", "--json").document == []


def test_the_field_at_fault_is_named_once(mailqctl: Command, given: Given) -> None:
    told = mailqctl("call", "send", given(suppress("ann"))).err
    assert "/objects/0/address: An email address must have" in told
    told = mailqctl("call", "send", given(suppress("ann@x.example", scheduled_time="2020-01-01T00:00:00Z"))).err
    assert "/options/scheduled_time: is past" in told


def test_files_that_cannot_be_read_are_a_sentence_too(mailqctl: Command, tmp_path: Path) -> None:
    assert mailqctl("call", "send", str(tmp_path / "missing.json")).code == 69
    assert mailqctl("call", "send", str(tmp_path)).code in {2, 69}
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(9_000_000)
    assert "larger" in mailqctl("call", "send", str(large)).err


def test_calls_are_listed_by_state_and_conversation(mailqctl: Command, database: Database, send: Callable[..., str]) -> None:
    assert "no calls yet" in mailqctl("call", "list").err
    bad, good = send(release("nobody@x.example")), send(suppress("ann@x.example"))
    waiting = send(part(2, 2, suppress("c2@x.example")))
    run_all(database)
    listed = {each["request_id"]: each["state"] for each in mailqctl("call", "list", "--json").document}
    assert listed == {bad: "error", good: "finished", waiting: "waiting"}
    only = mailqctl("call", "list", "--state", "error")
    assert (bad in only.out, good in only.out) == (True, False)
    parts = mailqctl("call", "list", "--conversation", "c").out
    assert (waiting in parts, "2 of 2" in parts, good in parts) == (True, True, False)
    assert mailqctl("call", "list", "--conversation", "d").code == 4
    assert mailqctl("call", "list", "--state", "nonsense").code == 2


def test_a_call_is_taken_back_before_it_runs_and_not_behind(
    mailqctl: Command, database: Database, send: Callable[..., str]
) -> None:
    ran = send(suppress("ann@x.example"))
    run_all(database)
    later = send(suppress("bob@x.example", scheduled_time="2150-01-01T00:00:00Z"))
    waiting = send(part(1, 2, suppress("c1@x.example")))
    assert mailqctl("call", "cancel", later).out == f"call {later} is cancelled\n"
    assert mailqctl("call", "cancel", later, "--json").document["state"] == "cancelled"
    assert [mailqctl("call", "cancel", each).code for each in (ran, waiting, "req_nothing")] == [5, 5, 4]


@pytest.fixture
def given_up(mailqctl: Command, database: Database, send: Callable[..., str]) -> str:
    """A webhook that nobody has taken."""
    request_id = send(suppress("ann@x.example", send_response_to=[HOOK]))
    run_all(database)
    with database.begin() as tx:
        tx.execute(
            text("UPDATE notification SET state = 'error', due_at = NULL, settled_at = now(), attempts = 10, reply = '500 Oops'")
        )
    (found,) = mailqctl("call", "show", request_id, "--json").document["notifications"]
    return str(found["notification_id"])


def test_an_answer_is_tried_again_by_who_asks_for_it(mailqctl: Command, database: Database, given_up: str) -> None:
    done = mailqctl("call", "notify-again", given_up)
    assert (done.code, "tried 10 times: 500 Oops" in done.out) == (0, True)
    assert mailqctl("call", "notify-again", given_up).code == 5
    assert mailqctl("call", "notify-again", "ntf_nothing").code == 4
    with database.begin() as tx:
        actor, state = tx.execute(text("SELECT actor, state FROM audit, notification")).one()
    assert ("@" in actor, state) == (True, "pending")


def test_webhook_secrets_are_shown_only_when_asked_for(mailqctl: Command) -> None:
    group = ("organization", "webhook-secret")
    (first,) = mailqctl(*group, "show", "default", "--reveal", "--json").document
    hidden = [mailqctl(*group, "show", "default", *words) for words in ((), ("--json",))]
    assert all(first["secret"] not in done.out + done.err and first["id"] in done.out for done in hidden)

    added = mailqctl(*group, "add", "default")
    assert added.out.startswith("whsec_")
    assert added.out.strip() not in added.err
    given = "whsec_" + "QUJD" * 10
    kept = mailqctl("-v", *group, "add", "default", "--file", "-", stdin=f"{given}\n")
    assert (kept.code, given in kept.out + kept.err) == (0, False)
    assert mailqctl(*group, "remove", "default", first["id"]).code == 0
    revealed = mailqctl(*group, "show", "--reveal").out
    assert (added.out.strip() in revealed, given in revealed, first["secret"] in revealed) == (True, True, False)


def test_what_is_no_webhook_secret_is_not_repeated(mailqctl: Command) -> None:
    group = ("organization", "webhook-secret")
    done = mailqctl(*group, "add", "default", "--file", "-", stdin=b"whsec_tooshort\xff")
    assert (done.code, "tooshort" in done.out + done.err) == (65, False)
    assert mailqctl(*group, "show", "nobody").code == 4
    assert mailqctl(*group, "remove", "default", "nothing").code == 4
    (only,) = mailqctl(*group, "show", "--json").document
    assert mailqctl(*group, "remove", "default", only["id"]).code == 5
