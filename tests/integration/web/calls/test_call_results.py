"""The results of a time range, as a file."""

import csv
import io
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from mailq.admin import calls
from mailq.store.database import Database
from mailq.web.api import call_results
from mailq.web.api.problems import Problem
from tests.integration.web.calls.conftest import ANN, BOB, SUPPRESSED, call, part
from tests.support.api import ApiThread, Caller, problem, where
from tests.support.waiting import eventually

Run = Callable[[], None]
EVER = {"from": "2000-01-01T00:00:00Z", "to": "2199-01-01T00:00:00Z"}


def extracted(caller: Caller, **query: str) -> list[dict[str, Any]]:
    """Lines of the file."""
    answer = caller.get("/v1/call-results", params=EVER | {"format": "ndjson"} | query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_it_has_a_line_for_each_object_in_the_order_of_the_ends(caller: Caller, stranger: Caller, run: Run) -> None:
    """With the call and the conversation that it is of; another organization's are none of them."""
    late = caller.post("/v1/calls", json=call(BOB | {"correlation_id": "b"}, BOB, priority="low")).json()["request_id"]
    early = caller.post("/v1/calls", json=part(1, 1, ANN, priority="high")).json()["request_id"]
    stranger.post("/v1/calls", json=call(ANN))
    run()

    lines = extracted(caller)

    assert [(each["request_id"], each["ordinal"], each["status"]) for each in lines] == [
        (early, 1, "ok"),
        (late, 1, "ok"),
        (late, 2, "error"),
    ]
    assert (lines[0]["conversation_id"], lines[0]["sequence_code"], lines[0]["method"]) == ("c", 1, "create")
    assert (lines[1]["conversation_id"], lines[1]["correlation_id"], lines[1]["type"]) == (None, "b", "subscriber")
    assert len(extracted(stranger)) == 1


def test_as_a_table_it_says_the_same(caller: Caller, run: Run) -> None:
    """Cells are what was said, as in the exports of mailings: also one that a spreadsheet would take for a formula."""
    caller.post("/v1/calls", json=call(ANN | {"customer_key": '=HYPERLINK("x"), "y"', "correlation_id": "@a"}, SUPPRESSED))
    run()

    answer = caller.get("/v1/call-results", params=EVER)

    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="call-results.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert tuple(rows[0]) == call_results.COLUMNS
    assert (rows[0]["customer_key"], rows[0]["correlation_id"]) == ('=HYPERLINK("x"), "y"', "@a")
    for row, line in zip(rows, extracted(caller), strict=True):
        plain = {name: "" if value is None else value for name, value in line.items() if name != "details"}
        assert {name: value for name, value in row.items() if name != "details"} == {
            name: str(value) for name, value in plain.items()
        }
        assert json.loads(row["details"]) == line["details"]


@pytest.mark.parametrize("rows", [1, 2, 3, 1000])
def test_it_is_read_by_pages(caller: Caller, run: Run, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Wherever one ends, in the middle of a call too."""
    monkeypatch.setattr(calls, "_PAGE", rows)
    for number in range(3):
        objects = [{"type": "subscriber", "customer_key": f"{number}-{each}", "address": "s@x.example"} for each in range(3)]
        caller.post("/v1/calls", json=call(*objects))
    run()

    assert [each["customer_key"] for each in extracted(caller)] == [
        f"{number}-{each}" for number in range(3) for each in range(3)
    ]


def test_the_range_has_its_beginning_and_not_its_end(caller: Caller, database: Database, run: Run) -> None:
    """So that ranges side by side have each result once. Without an end it goes on until now."""
    for number in range(4):
        caller.post("/v1/calls", json=call(ANN | {"customer_key": str(number)}))
    run()
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    with database.begin() as tx:
        tx.execute(
            text(
                "UPDATE call SET ended_at = CAST(:begin AS timestamptz) + interval '1 hour' * (id - (SELECT min(id) FROM call))"
            ),
            {"begin": begin},
        )

    def keys(since: datetime, until: datetime) -> list[str]:
        return [each["customer_key"] for each in extracted(caller, **{"from": since.isoformat(), "to": until.isoformat()})]

    hour = timedelta(hours=1)
    assert keys(begin, begin + 2 * hour) == ["0", "1"]
    assert keys(begin + 2 * hour, begin + 3 * hour) == ["2"]
    answer = caller.get("/v1/call-results", params={"from": "2026-01-01T04:00:00+01:00", "format": "ndjson"})
    assert [json.loads(line)["customer_key"] for line in answer.text.splitlines()] == ["3"]


def test_of_nothing_there_is_a_header(caller: Caller) -> None:
    """And no line of JSON."""
    assert caller.get("/v1/call-results", params=EVER).text == ",".join(call_results.COLUMNS) + "\n"
    assert extracted(caller) == []


@pytest.mark.parametrize(
    ("query", "at"),
    [
        ({}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-01-01"}, "from"),
        ({"from": "2026-01-01T00:00:00"}, "from"),
        ({"from": "1767225600"}, "from"),
        ({"from": "1999-01-01T00:00:00Z"}, "from"),
        ({"from": "2026-01-01T00:00:00Z", "to": ""}, "to"),
        ({"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ({"from": "2199-01-01T00:00:00Z"}, "from"),
        ({"from": "2026-01-01T00:00:00Z", "format": "xml"}, "format"),
    ],
)
def test_what_is_wrong_with_the_range_is_named(caller: Caller, query: dict[str, str], at: str) -> None:
    """By the parameter."""
    assert where(problem(caller.get("/v1/call-results", params=query), 422)) == [at]


def test_a_key_has_so_many_open_and_no_more(api: ApiThread, caller: Caller) -> None:
    """Also after requests that were refused, and those that have ended."""
    places, key_id = api.app.state.parts.spools, caller.key.split("_")[1]
    for _ in range(6):
        extracted(caller)
        problem(caller.get("/v1/call-results", params={"from": "x"}), 422)

    def take() -> bool:
        with suppress(Problem):
            places.take(key_id)
            return True
        return False

    # The place of an answer is left when it has gone out: the client may be faster.
    assert all(eventually(take) for _ in range(4))
    refused = caller.get("/v1/call-results", params=EVER)

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    for _ in range(4):
        places.leave(key_id)
    assert extracted(caller) == []
