"""Mailings over HTTP: made, filled, started, looked at, steered."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from mailq.store.database import Database
from mailq.store.tables import delivery, mailing
from tests.integration.web.conftest import LETTER, with_key
from tests.support.api import Caller, problem, where

PEOPLE = [{"address": "ann@x.example", "variables": {"name": "Ann"}}, {"address": "nobody", "variables": {"name": "B"}}]
LINES = b'{"address": "ann@x.example", "name": "Ann"}\n{"address": "bob@x.example", "name": "Bob"}\n'
NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
def made(caller: Caller) -> dict[str, Any]:
    """A mailing without recipients."""
    response = caller.post("/v1/mailings", json=LETTER)
    assert response.status_code == 201, response.text
    return dict(response.json())


def test_a_mailing_is_made_filled_and_started(caller: Caller, made: dict[str, Any], database: Database) -> None:
    """In as many uploads as one likes; then it is complete, and the leader's."""
    path = f"/v1/mailings/{made['id']}"
    assert (made["state"], made["complete"], made["created"]) == ("draft", False, True)

    first = caller.post(f"{path}/recipients", content=LINES, headers=NDJSON).json()
    second = caller.post(
        f"{path}/recipients", content=b"email;name\ncy@x.example;Cy\n", headers={"Content-Type": "text/csv"}
    ).json()
    started = caller.post(f"{path}/start")

    assert (first["num_recipients"], first["num_profiles"], second["num_profiles"]) == (2, 2, 3)
    assert started.status_code == 202
    assert (started.json()["state"], started.json()["complete"], started.json()["num_profiles"]) == ("loading", True, 3)
    with database.begin() as tx:
        assert tx.execute(select(delivery.c.address).order_by(delivery.c.seq)).scalars().all() == [
            "ann@x.example",
            "bob@x.example",
            "cy@x.example",
        ]


def test_a_small_mailing_is_one_request(caller: Caller) -> None:
    """Made, filled and complete in one transaction; whoever has no address is counted."""
    response = caller.post("/v1/mailings", json=LETTER | {"recipients": PEOPLE, "start": True})

    assert response.status_code == 201, response.text
    document = response.json()
    assert response.headers["location"] == f"/v1/mailings/{document['id']}"
    assert (document["complete"], document["num_profiles"], document["num_skipped"]) == (True, 2, 1)


def test_a_mailing_whose_recipients_are_refused_was_never_made(caller: Caller, database: Database) -> None:
    """All of it, or nothing."""
    refused = caller.post("/v1/mailings", json=LETTER | {"recipients": [{"address": "ann@x.example"}], "start": True})

    assert where(problem(refused, 422)) == ["#/recipients"]
    with database.begin() as tx:
        assert tx.execute(select(func.count()).select_from(mailing)).scalar_one() == 0


def test_the_same_mailing_under_the_same_key_is_one(caller: Caller) -> None:
    """Header or body, recipients and all; anything else under that key is a conflict."""
    whole = LETTER | {"recipients": PEOPLE, "start": True}
    first = caller.post("/v1/mailings", json=whole, headers=with_key("sale"))
    again = caller.post("/v1/mailings", json=whole | {"key": "sale"}, headers=with_key('"sale"'))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() | {"created": False} == again.json()
    for other in (LETTER | {"text": "Other"}, LETTER, whole | {"recipients": PEOPLE[:1]}, whole | {"start": False}):
        problem(caller.post("/v1/mailings", json=other, headers=with_key("sale")), 409)


def test_two_keys_in_one_request_are_refused(caller: Caller) -> None:
    """Nobody could know which of them was meant."""
    refused = caller.post("/v1/mailings", json=LETTER | {"key": "one"}, headers=with_key("other"))

    assert where(problem(refused, 422)) == ["Idempotency-Key"]


def test_many_at_once_with_one_key_make_one_mailing(caller: Caller, database: Database) -> None:
    """Whoever comes second waits for the first."""
    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(lambda _: caller.post("/v1/mailings", json=LETTER, headers=with_key("sale")), range(8)))

    assert sorted(each.status_code for each in answers) == [200] * 7 + [201]
    assert len({each.json()["id"] for each in answers}) == 1


def test_a_time_that_is_past_is_refused_but_a_known_key_is_known(caller: Caller, database: Database) -> None:
    """A repeat may come when the time has come."""
    past = LETTER | {"scheduled_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat()}
    assert where(problem(caller.post("/v1/mailings", json=past), 422)) == ["#/scheduled_at"]

    soon = LETTER | {"scheduled_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}
    assert caller.post("/v1/mailings", json=soon, headers=with_key("soon")).status_code == 201
    with database.begin() as tx:
        assert tx.execute(select(mailing.c.scheduled_at)).scalar_one() is not None
    assert caller.post("/v1/mailings", json=soon, headers=with_key("soon")).status_code == 200


def test_an_upload_under_a_known_key_is_done_once(caller: Caller, made: dict[str, Any]) -> None:
    """Answered as it was; another body under that key is a conflict."""
    path = f"/v1/mailings/{made['id']}/recipients"
    first = caller.post(path, content=LINES, headers=NDJSON | with_key("part-1"))
    again = caller.post(path, content=LINES, headers=NDJSON | with_key("part-1"))

    assert first.json() == again.json()
    assert caller.get(f"/v1/mailings/{made['id']}").json()["num_profiles"] == 2
    problem(caller.post(path, content=LINES[:44], headers=NDJSON | with_key("part-1")), 409)


def test_lines_that_are_no_recipients_are_named(caller: Caller, made: dict[str, Any]) -> None:
    """And take nothing from the others."""
    lines = LINES + b'{"address": "nobody"}\nnonsense\n{"address": "eve@x.example", "name": "Eve"}\n'

    answer = caller.post(f"/v1/mailings/{made['id']}/recipients", content=lines, headers=NDJSON).json()

    assert (answer["num_recipients"], answer["num_valid"], answer["num_invalid"]) == (5, 3, 2)
    assert [each["line"] for each in answer["errors"]] == [3, 4]
    assert all(each["reason"] for each in answer["errors"])


def test_a_variable_called_email_is_no_address(caller: Caller, made: dict[str, Any], database: Database) -> None:
    """In JSON the address is `address`; whatever else is there is a variable."""
    line = b'{"email": "private@x.example", "address": "ann@x.example", "name": "Ann"}\n'
    caller.post(f"/v1/mailings/{made['id']}/recipients", content=line, headers=NDJSON)

    with database.begin() as tx:
        assert tx.execute(select(delivery.c.address)).scalar_one() == "ann@x.example"


def test_a_complete_mailing_takes_no_more_recipients(caller: Caller, made: dict[str, Any]) -> None:
    """And one without any cannot be started."""
    path = f"/v1/mailings/{made['id']}"
    problem(caller.post(f"{path}/start"), 409)
    caller.post(f"{path}/recipients", content=LINES, headers=NDJSON)
    assert caller.post(f"{path}/start").status_code == caller.post(f"{path}/start").status_code == 202

    problem(caller.post(f"{path}/recipients", content=LINES, headers=NDJSON), 409)


def test_mailings_are_listed_a_page_at_a_time(caller: Caller) -> None:
    """The newest first; the link leads to the next page."""
    ids = [caller.post("/v1/mailings", json=LETTER).json()["id"] for _ in range(3)]

    first = caller.get("/v1/mailings", params={"limit": 2, "state": "draft"})
    link = first.headers["link"]
    assert link.startswith("</v1/mailings?limit=2&state=draft&cursor=")
    assert link.endswith('>; rel="next"')
    second = caller.get(link.partition("<")[2].partition(">")[0])

    assert [each["id"] for each in first.json()["data"] + second.json()["data"]] == ids[::-1]
    assert second.json()["next_cursor"] is None
    assert "link" not in second.headers


@pytest.mark.parametrize("cursor", ["nonsense", "mlg_0000000000000000", "1' OR 1=1", "x" * 501])
def test_a_cursor_from_elsewhere_is_refused(caller: Caller, cursor: str) -> None:
    """It is what a page ended with, or nothing."""
    assert where(problem(caller.get("/v1/mailings", params={"cursor": cursor}), 422)) == ["cursor"]


def test_deliveries_are_listed_a_page_at_a_time(caller: Caller, made: dict[str, Any]) -> None:
    """In the order they came; only those in a state if one is named."""
    path = f"/v1/mailings/{made['id']}"
    caller.post(f"{path}/recipients", content=LINES + b'{"address": "nobody", "name": "N"}\n', headers=NDJSON)

    first = caller.get(f"{path}/deliveries", params={"limit": 2}).json()
    second = caller.get(f"{path}/deliveries", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    skipped = caller.get(f"{path}/deliveries", params={"state": "skipped"}).json()

    assert [each["seq"] for each in first["data"] + second["data"]] == [1, 2, 3]
    assert {each["mailing"] for each in first["data"]} == {made["id"]}
    assert [(each["seq"], each["skip"]) for each in skipped["data"]] == [(3, "invalid")]
    assert where(problem(caller.get(f"{path}/deliveries", params={"cursor": "-1"}), 422)) == ["cursor"]


def test_a_mailing_is_cancelled_once_and_for_all(caller: Caller, made: dict[str, Any]) -> None:
    """Doing it again is no mistake; going on is."""
    path = f"/v1/mailings/{made['id']}"

    assert caller.post(f"{path}/cancel").json()["state"] == "cancelled"
    assert caller.post(f"{path}/cancel").status_code == 200
    problem(caller.post(f"{path}/resume"), 409)
    problem(caller.post(f"{path}/start"), 409)


def test_a_time_in_any_zone_is_kept_as_a_moment(caller: Caller) -> None:
    """PostgreSQL knows no offset beyond sixteen hours."""
    made = caller.post("/v1/mailings", json=LETTER | {"scheduled_at": "2150-01-01T00:00:00+23:59"})

    assert (made.status_code, made.json()["scheduled_at"]) == (201, "2149-12-31T00:01:00Z")
