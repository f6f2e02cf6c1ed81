"""`call results`, `call conversation` and `call extract`: what became of objects, one by one and by the thousand."""

import csv
import io
import json
from pathlib import Path

import pytest

from mailq.store.database import Database
from tests.integration.cli.conftest import Command
from tests.support.call_running import part, release, run_all, send, suppress

EVER = ("--from", "2020-01-01T00:00Z", "--to", "2150-01-01T00:00Z")


@pytest.fixture
def failed(database: Database) -> list[str]:
    """A conversation of four parts whose second is in error; the request ids."""
    said = [suppress("c1@x.example"), release("nobody@x.example"), suppress("c3@x.example"), suppress("c4@x.example")]
    found = [send(database, part(code, 4, each)).request_id for code, each in enumerate(said, 1)]
    run_all(database)
    return found


def test_results_are_those_of_a_call_or_of_a_conversation_in_sequence(mailqctl: Command, failed: list[str]) -> None:
    one = mailqctl("call", "results", failed[1])
    assert (one.code, "nobody@x.example is not suppressed" in one.out) == (0, True)
    assert json.loads(mailqctl("call", "results", failed[1], "--json").out)["status"] == "error"
    every = [json.loads(line) for line in mailqctl("call", "results", "--conversation", "c", "--json").out.splitlines()]
    assert [(each["sequence_code"], each["request_id"], each["status"]) for each in every] == [
        (1, failed[0], "ok"),
        (2, failed[1], "error"),
    ]
    assert "c1@x.example is suppressed" in mailqctl("call", "results", "--conversation", "c").out


def test_what_has_not_run_says_so(mailqctl: Command, database: Database, failed: list[str]) -> None:
    waiting = send(database, suppress("ann@x.example")).request_id
    send(database, part(1, 2, suppress("d1@x.example"), of="d"))
    assert "has not run yet" in mailqctl("call", "results", waiting).err
    assert "never runs" in mailqctl("call", "results", failed[2]).err
    assert "nothing of conversation d has run" in mailqctl("call", "results", "--conversation", "d").err


def test_either_a_call_or_a_conversation_is_named(mailqctl: Command, failed: list[str]) -> None:
    assert mailqctl("call", "results").code == 2
    both = mailqctl("call", "results", failed[0], "--conversation", "c")
    assert (both.code, "one of the two" in both.err) == (2, True)
    assert mailqctl("call", "results", "req_nothing").code == 4
    assert mailqctl("call", "results", "--conversation", "nothing").code == 4


def test_a_conversation_in_error_says_why_and_by_which_part(mailqctl: Command, failed: list[str]) -> None:
    shown = mailqctl("call", "conversation", "c", "--json").document
    assert (shown["state"], shown["in_error"], shown["missing"], shown["num_run"]) == ("error", 2, [], 2)
    assert [each["state"] for each in shown["parts"]] == ["finished", "error", "not_run", "not_run"]
    told = mailqctl("call", "conversation", "c").out
    assert "part 2 is in error: object 1: nobody@x.example is not suppressed" in told
    assert all(each in told for each in failed)


def test_a_conversation_says_which_parts_are_missing_and_shows_a_few(mailqctl: Command, database: Database) -> None:
    for code in (2, 5, 3):
        send(database, part(code, 40, suppress(f"c{code}@x.example")))
    told = mailqctl("call", "conversation", "c", "--limit", "2").out
    assert "3 of 40 received, 0 run" in told
    assert "1, 4, 6, 7" in told
    assert ", …" in told
    assert "--cursor 3" in told
    rest = mailqctl("call", "conversation", "c", "--limit", "2", "--cursor", "3", "--json").document
    assert ([each["sequence_code"] for each in rest["parts"]], rest["next_cursor"]) == ([5], None)
    assert mailqctl("call", "conversation", "nothing").code == 4
    assert mailqctl("call", "conversation", "c", "--organization", "nobody").code == 4


@pytest.fixture
def ran(database: Database) -> list[str]:
    """Two calls that have run: one of three objects, with a comma and a quote in what is said of one, and one in error."""
    said = suppress("ann@x.example", "bob@x.example", "cid@x.example")
    said["objects"][1]["correlation_id"] = 'the "b, b"'
    first = send(database, said).request_id
    second = send(database, release("nobody@x.example")).request_id
    run_all(database)
    return [first, second]


def test_results_are_extracted_as_csv_and_as_ndjson(mailqctl: Command, ran: list[str]) -> None:
    table = list(csv.DictReader(io.StringIO(mailqctl("call", "extract", *EVER).out)))
    lines = [json.loads(line) for line in mailqctl("call", "extract", *EVER, "--format", "ndjson").out.splitlines()]
    wanted = [(ran[0], 1, "ok"), (ran[0], 2, "ok"), (ran[0], 3, "ok"), (ran[1], 1, "error")]
    assert [(each["request_id"], int(each["ordinal"]), each["status"]) for each in table] == wanted
    assert [(each["request_id"], each["ordinal"], each["status"]) for each in lines] == wanted
    assert [set(each) for each in lines] == [set(table[0])] * 4
    assert (table[1]["correlation_id"], table[0]["conversation_id"]) == ('the "b, b"', "")
    assert json.loads(table[0]["details"]) == lines[0]["details"]


def test_an_extract_is_a_whole_file_or_none(
    mailqctl: Command, ran: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "results.csv"
    target.write_text("of yesterday")

    class Stopped(Exception):
        pass

    def stop(_: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("mailq.cli.call_extract.as_row", stop)
        with pytest.raises(Stopped):
            mailqctl("call", "extract", *EVER, "--out", str(target))
    assert (target.read_text(), [each.name for each in tmp_path.iterdir()]) == ("of yesterday", ["results.csv"])

    done = mailqctl("call", "extract", *EVER, "--out", str(target))
    assert (done.code, done.out, len(target.read_text().splitlines())) == (0, "", 5)
    assert "4 results" in done.err
    assert mailqctl("call", "extract", *EVER, "--out", str(tmp_path / "no" / "results.csv")).code == 69


def test_a_range_without_results_is_a_head_alone_and_a_wrong_one_is_refused(mailqctl: Command, ran: list[str]) -> None:
    empty = mailqctl("call", "extract", "--from", "2020-01-01T00:00Z", "--to", "2020-01-02T00:00Z")
    assert (empty.code, len(empty.out.splitlines())) == (0, 1)
    assert mailqctl("call", "extract", "--from", "2150-01-01T00:00Z", "--to", "2020-01-01T00:00Z").code == 65
    assert mailqctl("call", "extract", "--from", "2020-01-01", "--to", "2020-01-02T00:00Z").code == 2
    assert mailqctl("call", "extract", "--from", "2020-01-01T00:00Z").code == 2
    assert mailqctl("call", "extract", *EVER, "--organization", "nobody").code == 4
