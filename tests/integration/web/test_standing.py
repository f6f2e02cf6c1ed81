"""Addresses, suppressions, doubts, servers, what waits, exports, and whether requests should come here."""

import csv
import io
import json

import httpx2
import pytest

from mailq.admin import maintenance
from mailq.core.outcome import Doubt
from mailq.settings import Settings
from mailq.store.database import Database
from tests.integration.web.conftest import LETTER, with_key
from tests.support.api import Caller, problem, serving_api, where
from tests.support.doubts import doubtful_mailing, require_balance
from tests.support.mailings import make_mailing, make_owner


def test_an_address_has_a_history(caller: Caller, stranger: Caller) -> None:
    """In whatever case it is written; another organization's is its own."""
    whole = LETTER | {"recipients": [{"address": "Ann+a/b@x.example", "variables": {"name": "Ann"}}]}
    mailing = caller.post("/v1/mailings", json=whole).json()["id"]

    found = caller.get("/v1/recipients/ANN%2Ba%2Fb@X.EXAMPLE/history").json()

    assert [(each["mailing"], each["name"], each["state"]) for each in found["data"]] == [(mailing, "sale", "pending")]
    assert stranger.get("/v1/recipients/ann+a%2Fb@x.example/history").json() == {"data": [], "next_cursor": None}
    assert where(problem(caller.get("/v1/recipients/nobody/history"), 422)) == ["address"]


def test_suppressions_are_added_listed_and_removed(caller: Caller, stranger: Caller) -> None:
    """Twice is no mistake; to take back what is not there is."""
    said = {"address": "Bob@x.example", "reason": "complained", "note": "by phone"}

    assert caller.post("/v1/suppressions", json=said).status_code == 201
    assert caller.post("/v1/suppressions", json=said).json() == {"address": "Bob@x.example", "created": False}
    caller.post("/v1/suppressions", json={"address": "ann@x.example"})

    first = caller.get("/v1/suppressions", params={"limit": 1})
    second = caller.get("/v1/suppressions", params={"limit": 1, "cursor": first.json()["next_cursor"]})
    assert [each["address"] for each in first.json()["data"] + second.json()["data"]] == ["ann@x.example", "bob@x.example"]
    assert [each["note"] for each in caller.get("/v1/suppressions", params={"reason": "complained"}).json()["data"]] == [
        "by phone"
    ]
    assert stranger.get("/v1/suppressions").json()["data"] == []

    problem(stranger.delete("/v1/suppressions/bob@x.example"), 404)
    assert caller.delete("/v1/suppressions/BOB@x.example").status_code == 204
    problem(caller.delete("/v1/suppressions/bob@x.example"), 404)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"address": "nobody"}, "#/address"),
        ({"address": "ann@x.example", "note": "two\nlines"}, "#/note"),
        ({"address": "ann@x.example", "reason": "mood"}, "#/reason"),
        ({}, "#/address"),
    ],
)
def test_what_is_wrong_with_a_suppression_is_named(caller: Caller, said: dict[str, str], field: str) -> None:
    """And nothing is suppressed."""
    assert where(problem(caller.post("/v1/suppressions", json=said), 422)) == [field]
    assert caller.get("/v1/suppressions").json()["data"] == []


def test_doubts_are_listed_and_settled(caller: Caller, stranger: Caller, database: Database) -> None:
    """One recipient, or a reason, or all; the audit knows the key that did it."""
    made = doubtful_mailing(database, (5,), {2: Doubt.RELAY_CLOSED, 3: Doubt.TIMEOUT, 4: Doubt.TIMEOUT})
    first = caller.get("/v1/doubts", params={"limit": 2}).json()
    second = caller.get("/v1/doubts", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [(each["seq"], each["reason"]) for each in first["data"] + second["data"]] == [
        (2, "relay_closed"),
        (3, "timeout"),
        (4, "timeout"),
    ]

    mine = {"mailing": made.public_id, "verdict": "sent"}
    problem(stranger.post("/v1/doubts/resolve", json=mine), 404)
    assert stranger.get("/v1/doubts").json()["data"] == []
    assert caller.post("/v1/doubts/resolve", json=mine | {"address": "r3@example.org"}).json() == {"num": 1}
    assert caller.post("/v1/doubts/resolve", json=mine | {"reason": "timeout", "verdict": "error"}).json() == {"num": 1}
    assert caller.post("/v1/doubts/resolve", json=mine).json() == {"num": 1}
    problem(caller.post("/v1/doubts/resolve", json=mine), 409)
    books = require_balance(database, made)
    assert (books.num_sent, books.num_errors, books.num_in_doubt) == (4, 1, 0)
    with database.begin() as tx:
        actors = set(tx.exec_driver_sql("SELECT actor FROM audit").scalars())
    assert {each.startswith("key ") for each in actors} == {True}


def test_servers_and_the_backlog_are_shown(caller: Caller, database: Database) -> None:
    """What an operator and an autoscaler ask."""
    with database.begin() as tx:
        make_owner(tx, "web1:8851", slots={"bulk": 2})
        make_mailing(tx, (5, 5))

    (server,) = caller.get("/v1/servers").json()["data"]
    lanes = {each["lane"]: each for each in caller.get("/v1/backlog").json()["data"]}

    assert (server["server"], server["slots"]) == ("web1:8851", {"bulk": 2})
    assert list(lanes) == ["transactional", "normal", "bulk"]
    assert (lanes["bulk"]["num_ready"], lanes["bulk"]["num_pending"], lanes["normal"]["num_ready"]) == (2, 10, 0)


def test_errors_are_sent_again(caller: Caller, database: Database) -> None:
    """Once under a key; who is no error is a conflict. Who was in doubt may have got it, and has to be named."""
    made = doubtful_mailing(database, (3,), {2: Doubt.TIMEOUT, 3: Doubt.TIMEOUT})
    caller.post("/v1/doubts/resolve", json={"mailing": made.public_id, "verdict": "error"})
    path = f"/v1/mailings/{made.public_id}/resend"

    problem(caller.post(path, params={"address": "r1@example.org"}), 409)
    one = caller.post(path, params={"address": "r2@example.org"}, headers=with_key("again-1"))
    again = caller.post(path, params={"address": "r2@example.org"}, headers=with_key("again-1"))
    rest = caller.post(path)

    assert [each.status_code for each in (one, again, rest)] == [202] * 3
    assert [each.json()["num_pending"] for each in (one, again, rest)] == [1, 1, 1]
    assert rest.json()["state"] == "running"


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_mailing_is_exported(caller: Caller, database: Database, form: str) -> None:
    """Every recipient in the order of the source, or those in some states."""
    made = doubtful_mailing(database, (1500, 1500), {7: Doubt.TIMEOUT})

    whole = caller.get(f"/v1/mailings/{made.public_id}/export", params={"format": form})
    some = caller.get(f"/v1/mailings/{made.public_id}/export", params={"format": form, "state": "in_doubt"})

    assert whole.headers["content-disposition"] == f'attachment; filename="mailing.{form}"'
    assert [int(each["seq"]) for each in read(form, whole.text)] == list(range(1, 3001))
    (doubtful,) = read(form, some.text)
    assert (doubtful["address"], doubtful["doubt"]) == ("r7@example.org", "timeout")
    assert doubtful["message_id"].endswith("@example.org>")


def read(form: str, text: str) -> list[dict[str, str]]:
    """An export as a list."""
    return list(csv.DictReader(io.StringIO(text))) if form == "csv" else [json.loads(line) for line in text.splitlines()]


def test_what_is_another_organizations_is_not_found(caller: Caller, stranger: Caller) -> None:
    """By its id or its key, whatever is asked about it or done to it."""
    made = caller.post("/v1/mailings", json=LETTER | {"key": "sale"}).json()["id"]

    for name in (made, "sale", made[:12]):
        path = f"/v1/mailings/{name}"
        for part in ("", "/deliveries", "/export", "/events"):
            problem(stranger.get(path + part), 404)
        for verb in ("start", "pause", "resume", "cancel"):
            problem(stranger.post(f"{path}/{verb}"), 404)
        upload = stranger.post(
            f"{path}/recipients", content=b'{"address": "a@x.example"}', headers={"Content-Type": "application/x-ndjson"}
        )
        problem(upload, 404)
        problem(stranger.get("/v1/doubts", params={"mailing": name}), 404)
    assert stranger.get("/v1/mailings").json()["data"] == []
    assert where(problem(stranger.get("/v1/mailings", params={"cursor": made}), 422)) == ["cursor"]
    assert caller.get(f"/v1/mailings/{made}").json()["state"] == "draft"


def test_health_needs_no_key(http: httpx2.Client) -> None:
    """Load balancers have none."""
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ok", "checks": {"database": True, "schema": True}, "maintenance": False}


def test_in_maintenance_requests_are_served_and_told_so(http: httpx2.Client, caller: Caller, database: Database) -> None:
    """An autoscaler need not start servers for what waits."""
    maintenance.on(database, actor="ann@x")
    assert (http.get("/readyz").status_code, http.get("/readyz").json()["maintenance"]) == (200, True)
    assert caller.post("/v1/mailings", json=LETTER).status_code == 201
    assert caller.get("/v1/backlog").json()["maintenance"] is True
    maintenance.off(database, actor="ann@x")
    assert [http.get("/readyz").json()["maintenance"], caller.get("/v1/backlog").json()["maintenance"]] == [False, False]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_may_be_asked_for_without_its_words(http: httpx2.Client, path: str) -> None:
    """As some load balancers do."""
    asked = http.head(path)
    assert (asked.status_code, asked.content) == (200, b"")
    assert problem(http.post(path), 405)
    assert http.post(path).headers["allow"] == "GET, HEAD"


def test_a_process_that_lost_its_redis_is_ready(settings: Settings) -> None:
    """Nothing but time is lost with it."""
    lonely = settings.model_copy(update={"redis_url": Settings(redis_url="redis://127.0.0.1:1/0").redis_url})
    with serving_api(lonely) as running:
        assert httpx2.get(f"{running.url}/readyz").json()["checks"] == {"database": True, "schema": True, "broker": False}


@pytest.mark.parametrize("lost", ["server", "schema"])
def test_a_process_without_a_database_is_alive_but_not_ready(empty_database_url: str, lost: str) -> None:
    """It names what is missing, and no address."""
    url = empty_database_url if lost == "schema" else "postgresql://mailq:secret@127.0.0.1:1/mailq"
    with serving_api(Settings(database_url=url)) as running:
        assert httpx2.get(f"{running.url}/healthz").status_code == 200
        refused = httpx2.get(f"{running.url}/readyz", timeout=20)
    assert ("schema" if lost == "schema" else "database") in problem(refused, 503)["detail"]
    assert "127.0.0.1" not in refused.text
    assert "secret" not in refused.text
