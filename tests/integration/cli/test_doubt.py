"""mailqctl doubt: what is in doubt is listed by address, explained, and settled by a person's word, once."""

import csv
import getpass
import json
import socket
from pathlib import Path

import pytest
from sqlalchemy import text

from mailq.core.mailing import Books
from mailq.core.outcome import Doubt
from mailq.core.verp import Verp
from mailq.store import installation
from mailq.store.database import Database
from tests.integration.cli.conftest import Command
from tests.support.doubts import doubtful_mailing, require_balance
from tests.support.mailings import Made

BOUNCE = {"MAILQ_BOUNCE_ADDRESS": "bounces@example.com"}
REASONS = {2: Doubt.RELAY_CLOSED, 4: Doubt.HOST_LOST, 5: Doubt.HOST_LOST}


@pytest.fixture
def made(database: Database) -> Made:
    """A finished mailing of six in two batches; three are in doubt."""
    return doubtful_mailing(database, [3, 3], REASONS)


def state(database: Database) -> list[str]:
    """All that a refused command must leave as it was."""
    with database.begin() as tx:
        tables = ("mailing", "batch", "delivery", "audit")
        return [row for table in tables for row in tx.execute(text(f"SELECT {table}::text FROM {table} ORDER BY 1")).scalars()]


def test_the_list_names_address_reason_relay_message_id_and_moment(mailqctl: Command, made: Made) -> None:
    documents = [json.loads(line) for line in mailqctl("doubt", "list", "--json").out.splitlines()]

    assert [(each["address"], each["reason"]) for each in documents] == [
        ("r2@example.org", "relay_closed"),
        ("r4@example.org", "host_lost"),
        ("r5@example.org", "host_lost"),
    ]
    assert set(documents[0]) == {"mailing", "seq", "address", "reason", "relay", "since", "attempts", "message_id"}
    assert documents[0]["mailing"] == made.public_id
    assert documents[0]["relay"] == "smtp://relay:25"
    assert documents[0]["message_id"].endswith("@example.org>")
    table = mailqctl("doubt", "list", made.public_id).out.splitlines()
    assert table[0].split() == ["MAILING", "ADDRESS", "REASON", "RELAY", "SINCE", "MESSAGE_ID"]
    assert len(table) == 4


def test_the_list_is_narrowed_by_mailing_reason_and_number(mailqctl: Command, made: Made, database: Database) -> None:
    other = doubtful_mailing(database, [3], {1: Doubt.TIMEOUT})

    def listed(*words: str) -> list[str]:
        return [json.loads(line)["address"] for line in mailqctl("doubt", "list", "--json", *words).out.splitlines()]

    assert listed(other.public_id) == ["r1@example.org"]
    assert listed("--reason", "host_lost") == ["r4@example.org", "r5@example.org"]
    assert listed("--limit", "2") == ["r2@example.org", "r4@example.org"]
    short = mailqctl("doubt", "list", made.public_id, "--limit", "2")
    assert len(short.out.splitlines()) == 3
    assert "there are more" in short.err
    assert "there are more" not in mailqctl("doubt", "list", made.public_id, "--limit", "3").err


def test_nothing_in_doubt_is_said_so(mailqctl: Command) -> None:
    assert mailqctl("doubt", "list").err == "nothing is in doubt\n"
    assert mailqctl("doubt", "list", "--json").out == ""


def test_a_doubt_is_shown_with_what_can_be_done(mailqctl: Command, made: Made) -> None:
    shown = mailqctl("doubt", "show", made.public_id, "R4@example.org", env=BOUNCE).out

    assert "host_lost" in shown
    assert "its server was lost" in shown
    assert "bounces+" in shown
    for verdict in ("sent", "resend", "error"):
        assert f"mailqctl doubt resolve {made.public_id} 4 --as {verdict}" in shown
    assert "policy `hold` leaves it to evidence, or to you" in shown


def test_what_was_decided_is_shown_with_who_did_it(mailqctl: Command, made: Made) -> None:
    mailqctl("doubt", "resolve", made.public_id, "2", "--as", "error")

    document = mailqctl("doubt", "show", made.public_id, "2", "--json").document
    (entry,) = document["history"]
    me = f"{getpass.getuser()}@{socket.gethostname()}"
    assert (entry["actor"], entry["action"]) == (me, "doubt.resolve")
    assert entry["details"] == {"reason": "relay_closed", "verdict": "error", "relay": "smtp://relay:25"}
    assert (document["state"], document["reply"], document["verdicts"]) == ("error", f"given up by {me}", [])
    shown = mailqctl("doubt", "show", made.public_id, "2").out
    assert "verdict error" in shown
    assert "it is not in doubt: it is error" in shown


def test_of_a_cancelled_mailing_nothing_can_be_sent_again(mailqctl: Command, made: Made, database: Database) -> None:
    with database.begin() as tx:
        tx.execute(text("UPDATE mailing SET state = 'cancelled'"))
    before = state(database)

    shown = mailqctl("doubt", "show", made.public_id, "2")
    refused = mailqctl("doubt", "resolve", made.public_id, "2", "--as", "resend")

    assert "It cannot be sent again: the mailing is cancelled" in shown.out
    assert "--as resend" not in shown.out
    assert (refused.code, "is cancelled: nothing of it is sent any more" in refused.err) == (5, True)
    assert state(database) == before


def test_one_is_resolved_by_its_address(mailqctl: Command, made: Made, database: Database) -> None:
    done = mailqctl("doubt", "resolve", made.public_id, "r2@EXAMPLE.org", "--as", "sent", "--json")

    assert done.document == {"num": 1, "verdict": "sent", "changed": True}
    assert require_balance(database, made) == Books(num_profiles=6, num_sent=4, num_in_doubt=2)


def test_sending_again_runs_the_mailing_and_rings(mailqctl: Command, made: Made, database: Database) -> None:
    assert mailqctl("doubt", "resolve", made.public_id, "--as", "resend", "--yes").code == 0

    assert require_balance(database, made) == Books(num_profiles=6, num_sent=3, num_pending=3)
    assert mailqctl("mailing", "show", made.public_id, "--json").document["state"] == "running"
    with database.begin() as tx:
        assert tx.execute(text("SELECT count(*) FROM batch WHERE rung_at IS NOT NULL")).scalar_one() == 2


def test_a_reason_is_resolved_after_a_yes(mailqctl: Command, made: Made, database: Database) -> None:
    words = ("doubt", "resolve", made.public_id, "--reason", "host_lost", "--as", "error")
    before = state(database)

    asked = mailqctl(*words)
    counted = mailqctl(*words, "--dry-run")

    assert (asked.code, asked.err) == (65, "mailqctl: this cannot be undone: say --yes\n")
    assert (counted.code, "would resolve 2 deliveries in doubt as error; nothing was changed" in counted.err) == (0, True)
    assert state(database) == before
    assert "resolved 2 deliveries in doubt as error" in mailqctl(*words, "--yes").err
    assert require_balance(database, made) == Books(num_profiles=6, num_sent=3, num_errors=2, num_in_doubt=1)


def test_a_file_gives_each_its_verdict(mailqctl: Command, made: Made, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    with path.open("w", newline="") as file:
        rows = [
            ("mailing", "address", "verdict"),
            (made.public_id, "r2@example.org", "sent"),
            (made.public_id, "R4@example.org", ""),
        ]
        csv.writer(file).writerows(rows)

    assert mailqctl("doubt", "resolve", "--file", str(path), "--as", "error", "--dry-run", "--json").document["num"] == 2
    assert mailqctl("doubt", "resolve", "--file", str(path), "--as", "error", "--yes").code == 0
    assert require_balance(database, made) == Books(num_profiles=6, num_sent=4, num_errors=1, num_in_doubt=1)


def test_what_the_list_prints_can_be_resolved_as_it_is(mailqctl: Command, made: Made, database: Database) -> None:
    listed = mailqctl("doubt", "list", made.public_id, "--reason", "host_lost", "--json").out

    assert mailqctl("doubt", "resolve", "--file", "-", "--as", "sent", "--yes", stdin=listed).code == 0
    assert require_balance(database, made) == Books(num_profiles=6, num_sent=5, num_in_doubt=1)


WRONG_FILES = [
    ("address\nr2@example.org\n", 65, "line 1: no column `mailing`"),
    (
        "mailing,address\n{id},r2@example.org\n{id},r9@example.org\n",
        4,
        "line 3: mailing {id} has no recipient r9@example.org",
    ),
    ("mailing,address\n{id},2\n{id},1\n", 5, "line 3: 1 of mailing {id} is not in doubt: it is sent"),
    ("mailing,address\n{id},2\nmlg_nothing,2\n", 4, "line 3: there is no mailing `mlg_nothing`"),
    ("mailing,address\n{id},2\n\n{id},nobody\n", 65, "line 4: 'nobody' is neither an address nor the number"),
    ("mailing,address\n{id},2\n,2\n", 65, "line 3: no mailing"),
    (
        "mailing,address,verdict\n{id},2,sent\n{id},4,maybe\n",
        65,
        "line 3: 'maybe' is no verdict; there are sent, resend, error",
    ),
    ("mailing,address\n{id},2\n{id},r2@example.org\n", 65, "line 3: r2@example.org is named already in"),
    ("mailing,address\n{id},2,sent\n", 65, "line 2: 3 fields instead of 2"),
    ('{{"mailing": "{id}", "seq": 2}}\n[1]\n', 65, "line 2: no JSON object"),
    ("", 65, "names nobody"),
]


def test_a_file_with_a_wrong_line_is_refused_whole(mailqctl: Command, made: Made, database: Database, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    before = state(database)
    for lines, code, says in WRONG_FILES:
        path.write_text(lines.format(id=made.public_id))
        done = mailqctl("doubt", "resolve", "--file", str(path), "--as", "sent", "--yes")
        assert (done.code, says.format(id=made.public_id) in done.err) == (code, True), done.err
        assert state(database) == before


def test_a_line_without_a_verdict_needs_one_for_all(mailqctl: Command, made: Made, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    path.write_text(f"mailing,address\n{made.public_id},2\n")

    done = mailqctl("doubt", "resolve", "--file", str(path), "--yes")

    assert (done.code, "line 2: no verdict" in done.err) == (65, True)


def test_a_file_that_is_none_of_verdicts_is_refused(mailqctl: Command, tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    for octets in (b"mailing,address\n\xff\xfe,2\n", b"mailing,address\nx\0,2\n", b"m" * 20_000):
        path.write_bytes(octets)
        assert mailqctl("doubt", "resolve", "--file", str(path), "--as", "sent", "--yes").code == 65


def test_resolving_twice_is_refused(mailqctl: Command, made: Made, database: Database) -> None:
    mailqctl("doubt", "resolve", made.public_id, "2", "--as", "sent")
    before = state(database)
    for verdict in ("sent", "resend", "error"):
        done = mailqctl("doubt", "resolve", made.public_id, "2", "--as", verdict)
        assert done.code == 5
        assert done.err == f"mailqctl: 2 of mailing {made.public_id} is not in doubt: it is sent. Nothing was changed\n"
        assert state(database) == before


WRONG_WORDS: list[tuple[list[str], int, str]] = [
    ([], 2, "which ones?"),
    (["{id}"], 2, "say what becomes of them"),
    (["{id}", "2", "--as", "sent", "--reason", "timeout"], 2, "--reason is for a whole mailing"),
    (["{id}", "--file", "x.csv"], 2, "--file names the mailings"),
    (["{id}", "whom", "--as", "sent"], 2, "'whom' is neither an address nor the number"),
    (["{id}", "2", "--as", "perhaps"], 2, "'perhaps' is not one of"),
    (["{id}", "99", "--as", "sent"], 4, "has no recipient 99"),
    (["mlg_none", "2", "--as", "sent"], 4, "there is no mailing `mlg_none`"),
    (["{id}", "--as", "sent", "--reason", "timeout", "--yes"], 5, "is in doubt for the reason timeout; nothing was changed"),
    (["--file", "/nowhere/x.csv", "--as", "sent", "--yes"], 65, "/nowhere/x.csv cannot be read"),
]


def test_what_cannot_be_meant_is_refused(mailqctl: Command, made: Made, database: Database) -> None:
    before = state(database)
    for words, code, says in WRONG_WORDS:
        done = mailqctl("doubt", "resolve", *(word.format(id=made.public_id) for word in words))
        assert (done.code, says in done.err) == (code, True), done.err
        assert state(database) == before


def log_line(database: Database, made: Made, seq: int) -> str:
    with database.begin() as tx:
        sender = Verp(BOUNCE["MAILQ_BOUNCE_ADDRESS"], installation.secret(tx)).sender(made.id, seq)
    return f"Nov 21 10:00:00 mx1 postfix/qmgr[812]: 4F2A1B3C4D: from=<{sender}>, size=1234, nrcpt=1 (queue active)\n"


def test_what_postfix_had_queued_counts_as_sent(mailqctl: Command, made: Made, database: Database, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text(log_line(database, made, 2) + "what is this\n" + log_line(database, made, 1) + log_line(database, made, 5))

    done = mailqctl("doubt", "evidence", "--postfix-log", str(log), "--json", env=BOUNCE)

    assert done.document == {"num_settled": 2, "num_in_doubt": 1, "num_lines": 4, "num_odd_lines": 1}
    assert require_balance(database, made) == Books(num_profiles=6, num_sent=5, num_in_doubt=1)
    shown = mailqctl("doubt", "show", made.public_id, "2", "--json").document
    assert (shown["reply"], shown["history"][0]["actor"]) == ("queued as 4F2A1B3C4D (postfix log)", "postfix_log")
    again = mailqctl("doubt", "evidence", "--postfix-log", str(log), env=BOUNCE)
    assert "0 deliveries were queued" in again.err


def test_evidence_of_one_mailing_leaves_the_others(mailqctl: Command, made: Made, database: Database, tmp_path: Path) -> None:
    other = doubtful_mailing(database, [3], {1: Doubt.TIMEOUT})
    log = tmp_path / "mail.log"
    log.write_text(log_line(database, made, 2) + log_line(database, other, 1))

    mailqctl("doubt", "evidence", "--postfix-log", str(log), "--mailing", other.public_id, env=BOUNCE)

    assert require_balance(database, other).num_in_doubt == 0
    assert require_balance(database, made).num_in_doubt == 3


def test_evidence_needs_the_log_and_the_bounce_address(mailqctl: Command, made: Made, tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    missing = mailqctl("doubt", "evidence", "--postfix-log", str(log), env=BOUNCE)
    log.write_text("")
    plain = mailqctl("doubt", "evidence", "--postfix-log", str(log))

    assert (missing.code, f"the Postfix log {log} cannot be read: No such file" in missing.err) == (69, True)
    assert (plain.code, "no bounce_address: set MAILQ_BOUNCE_ADDRESS" in plain.err) == (78, True)


def test_a_mailing_takes_the_installation_s_policy_unless_it_names_one(mailqctl: Command, people: str, content: str) -> None:
    def policy(*words: str) -> str:
        env = {"MAILQ_DOUBT__POLICY": "assume_sent"}
        made = mailqctl("mailing", "submit", people, "--content", content, "--json", *words, env=env).document
        return str(mailqctl("mailing", "show", made["mailing"], "--json").document["doubt_policy"])

    assert policy() == "assume_sent"
    assert policy("--doubt-policy", "hold") == "hold"
