"""The proof of the HTTP API: what it makes of books in which something is not there exactly once."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from mailq.errors import Unavailable
from mailq.local.proof.accepted import Mail
from mailq.local.proof.doors import proving
from mailq.local.proof.doors.books import Books, Entry, Findings, compare
from mailq.local.proof.doors.order import MEANINGS, WEIGHTED, Kind, Order
from mailq.local.proof.doors.producers import Given

MESSAGE = Given("message-1-1", ("ann@mail.example",))
MAILING = Given("mailing-1-2", ("bob@mail.example", "cy@mail.example"))
GIVEN = {each.key: each for each in (MESSAGE, MAILING)}
TOLD = {"message-1-1": "msg_1", "mailing-1-2": "mlg_2"}
MESSAGES = [Entry("message-1-1", "msg_1")]
MAILINGS = [Entry("mailing-1-2", "mlg_2")]
EVERYBODY = ["ann@mail.example", "bob@mail.example", "cy@mail.example"]


def compared(
    *,
    messages: Sequence[Entry] = MESSAGES,
    mailings: Sequence[Entry] = MAILINGS,
    sent: Sequence[str] = EVERYBODY,
    accepted: Sequence[str] = EVERYBODY,
) -> Findings:
    mails = [Mail(address, datetime(2026, 5, 4, tzinfo=UTC)) for address in accepted]
    return compare(GIVEN, TOLD, Books(messages, mailings, Counter(sent)), mails)


@pytest.mark.parametrize(
    ("api", "servers", "said"),
    [
        (False, {"one": True, "two": True}, "the API: not ready"),
        (True, {"one": True, "two": False}, "the server two: not ready"),
        (False, {"one": False, "two": True}, "the API, the server one: not ready"),
    ],
)
def test_a_stack_that_does_not_get_ready_is_told_by_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, api: bool, servers: dict[str, bool], said: str
) -> None:
    monkeypatch.setattr(proving, "_START_WITHIN_S", 0.0)
    hosts = [SimpleNamespace(name=name, serving=serving, mind=lambda: None) for name, serving in servers.items()]
    ground: Any = SimpleNamespace(hosts=hosts, supervisor=SimpleNamespace(logs="var/log"))
    served: Any = SimpleNamespace(ready=api, start=lambda: None, mind=lambda: None)
    watcher: Any = None

    with pytest.raises(Unavailable, match=said):
        proving.Proof(Order(), ground, served, [], watcher).run()


def test_what_is_there_exactly_once_is_all_right() -> None:
    found = compared()

    assert (found.num_faults, found.examples) == (0, [])
    assert (found.num_messages, found.num_mailings, found.num_mails) == (1, 1, 3)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"messages": []}, "message-1-1 is in the books 0 times"),
        ({"mailings": MAILINGS * 2}, "mailing-1-2 is in the books 2 times"),
        (
            {"messages": [*MESSAGES, Entry("message-9-9", "msg_9")]},
            "message-9-9 is msg_9 in the books, and its producer was told None",
        ),
        ({"messages": [Entry("message-1-1", "msg_7")]}, "message-1-1 is msg_7 in the books, and its producer was told msg_1"),
        ({"sent": EVERYBODY[1:]}, "ann@mail.example: given 1 times, in the books as sent 0 times"),
        ({"sent": [*EVERYBODY, "cy@mail.example"]}, "cy@mail.example: given 1 times, in the books as sent 2 times"),
        ({"accepted": EVERYBODY[:2]}, "cy@mail.example: given 1 times, accepted by the relay 0 times"),
        ({"accepted": [*EVERYBODY, "bob@mail.example"]}, "bob@mail.example: given 1 times, accepted by the relay 2 times"),
        ({"accepted": [*EVERYBODY, "eve@mail.example"]}, "eve@mail.example: given 0 times, accepted by the relay 1 times"),
    ],
)
def test_what_is_not_is_found_and_said(changed: dict[str, Sequence[Entry]], said: str) -> None:
    found = compared(**changed)  # type: ignore[arg-type]

    assert (found.num_faults, found.examples) == (1, [said])


def test_every_kind_has_a_meaning_and_its_turn() -> None:
    assert {*MEANINGS} == {*WEIGHTED} == {*Kind}


def test_the_command_that_repeats_a_proof_names_what_is_unusual() -> None:
    assert Order(num_faults=7, seed=3).command() == "./run prove api --faults 7 --seed 3"
    assert Order(seed=3, num_producers=2, mean_gap_s=0.5).command().endswith("--producers 2 --gap 0.5")
