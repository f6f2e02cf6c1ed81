"""The proof's own parts: a schedule that a seed repeats, a verdict that sees what must not be, and sums by kind."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from mailq.local.proof import schedule
from mailq.local.proof.accepted import AcceptedList, Mail
from mailq.local.proof.agenda import Agenda
from mailq.local.proof.books import Entry
from mailq.local.proof.kinds import MEANINGS, Kind, Size, bound
from mailq.local.proof.order import Order
from mailq.local.proof.tally import COLUMNS, Tally
from mailq.local.proof.verdict import Breach, Verdict, compare

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SIZE = Size(processes=2, sessions=4)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def entry(address: str, state: str = "sent", *, resends: int = 0) -> Entry:
    return Entry(address, state, later(1) if state not in {"pending", "deferred"} else None, resends)


def judged(entries: Sequence[Entry], accepted: Sequence[str], tally: Tally | None = None) -> Verdict:
    mails = [Mail(address, later(1)) for address in accepted]
    return compare([each.address for each in entries], entries, mails, tally or Tally(seed=1))


def planned(seed: int, number: int = 60) -> list[schedule.Fault]:
    return list(schedule.plan(seed, num_faults=number, num_servers=3, kinds=[*Kind], mean_gap_s=1.7))


def test_a_seed_repeats_its_schedule_and_another_seed_has_another() -> None:
    assert planned(7) == planned(7)
    assert planned(7) != planned(8)


def test_a_longer_schedule_begins_like_a_shorter_one() -> None:
    """So that a violation after fault 30 of 1000 is found again with 40."""
    assert planned(7, 500)[:40] == planned(7, 40)


def test_every_kind_comes_before_any_comes_again() -> None:
    assert {fault.kind for fault in islice(planned(3), len(Kind))} == set(Kind)


def test_every_kind_is_explained() -> None:
    assert set(MEANINGS) == set(Kind)


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        (Kind.CHILD_KILLED, 4),
        (Kind.SERVER_KILLED, 8),
        (Kind.HOST_LOST, 16),
        (Kind.CHILD_STOPPED, 8),
        (Kind.SERVER_STOPPED, 16),
        (Kind.CUT_OFF_FROM_RELAY, 16),
        (Kind.SIGTERM, 0),
        (Kind.POSTGRES_KILLED, 0),
        (Kind.REDIS_FLUSHED, 0),
        (Kind.DROPPED_AFTER_DOT, 6),
    ],
)
def test_the_bound_of_doubt_is_what_was_in_flight_or_the_window(kind: Kind, most: int) -> None:
    assert bound(kind, SIZE, num_dropped=6) == most


def test_ledgers_that_agree_up_to_doubt_are_clean() -> None:
    verdict = judged(
        [entry("a"), entry("b", "in_doubt"), entry("c", "in_doubt"), entry("d", "error"), entry("e", "skipped")], ["a", "b"]
    )

    assert verdict.clean
    assert (verdict.num_mails, verdict.num_in_doubt) == (2, 2)


@pytest.mark.parametrize(
    ("entries", "accepted", "breach"),
    [
        ([entry("a")], [], Breach.LOST),
        ([entry("a")], ["a", "a"], Breach.DOUBLED),
        ([entry("a", "in_doubt")], ["a", "a"], Breach.DOUBLED),
        ([entry("a", "error")], ["a"], Breach.UNBALANCED),
        ([entry("a", "skipped")], ["a"], Breach.UNBALANCED),
        ([entry("a", "pending")], [], Breach.LOST),
        ([entry("a", "deferred")], [], Breach.LOST),
        ([entry("a", resends=1)], ["a", "a", "a"], Breach.DOUBLED),
    ],
)
def test_what_must_not_be_is_found(entries: list[Entry], accepted: list[str], breach: Breach) -> None:
    verdict = judged(entries, accepted)

    assert verdict.counts[breach] == 1
    assert sum(verdict.counts.values()) == 1
    assert verdict.examples[0].startswith("a: ")


def test_a_recipient_that_is_in_no_book_is_lost_and_one_that_is_there_twice_is_doubled() -> None:
    assert compare(["a"], [], [], Tally(1)).counts[Breach.LOST] == 1
    assert compare(["a"], [entry("a"), entry("a")], [Mail("a", NOON)], Tally(1)).counts[Breach.DOUBLED] == 1


def test_a_resend_on_record_allows_one_mail_more_and_counts_as_doubt() -> None:
    verdict = judged([entry("a", resends=1)], ["a", "a"])

    assert verdict.clean
    assert verdict.num_in_doubt == 1


def test_a_mail_to_somebody_whom_no_mailing_has_is_found() -> None:
    verdict = judged([entry("a")], ["a", "stranger"])

    assert verdict.counts[Breach.UNBALANCED] == 1
    assert verdict.examples == ["stranger: accepted, and no mailing has it"]


def test_addresses_that_begin_alike_are_kept_apart() -> None:
    """`a`, `a1` and `a\\t`: the lists are sorted with what follows the address."""
    names = ["m1r1@x", "m1r10@x", "m1r1@xy", "m1r1"]

    assert judged([entry(name) for name in names], names).clean


def test_mails_and_doubts_go_to_the_account_of_the_fault_before_them() -> None:
    tally = Tally(seed=5)
    tally.note("mails", later(-1))
    tally.inflicted(Kind.SERVER_KILLED, later(0), 8)
    tally.inflicted(Kind.REDIS_FLUSHED, later(10), 0)
    tally.note("mails", later(1))
    tally.note("mails", later(11))
    tally.note("in_doubt", later(12))

    assert (tally.lines[Kind.SERVER_KILLED].mails, tally.lines[Kind.SERVER_KILLED].in_doubt) == (1, 1)
    assert (tally.lines[Kind.REDIS_FLUSHED].mails, tally.lines[Kind.REDIS_FLUSHED].in_doubt) == (1, 0)


def test_doubt_goes_to_a_fault_that_brings_it_about() -> None:
    """A lost host is noticed seconds later, when another fault has come."""
    tally = Tally(seed=5)
    tally.inflicted(Kind.HOST_LOST, later(0), 16)
    tally.inflicted(Kind.DROPPED_AFTER_DOT, later(1), 6)
    tally.note("in_doubt", later(4), "host_lost")
    tally.note("in_doubt", later(4), "relay_closed")
    tally.note("in_doubt", later(4), "worker_killed")

    assert tally.lines[Kind.HOST_LOST].in_doubt == 1
    assert tally.lines[Kind.DROPPED_AFTER_DOT].in_doubt == 2


def test_the_document_has_the_published_keys_and_the_table_its_columns() -> None:
    tally = Tally(seed=5)
    tally.inflicted(Kind.SERVER_KILLED, NOON, 8)
    tally.add(judged([entry("a", "in_doubt"), entry("b")], ["b"], tally), bound=0)

    document = tally.document()
    assert list(document) == [
        "faults", "mails", "lost", "doubled", "in_doubt", "doubt_over_bound", "unbalanced", "seed", "by_kind",
    ]  # fmt: skip
    assert (document["faults"], document["mails"], document["in_doubt"], document["doubt_over_bound"]) == (1, 1, 1, 1)
    assert document["by_kind"] == {"server-killed": {"faults": 1, "mails": 1, "lost": 0, "doubled": 0, "in_doubt": 1, "bound": 8}}
    assert all(len(row) == len(COLUMNS) for row in tally.rows())


def test_the_list_is_read_on_from_where_the_last_look_ended(tmp_path: Path) -> None:
    path = tmp_path / "accepted.tsv"
    accepted = AcceptedList(path)
    accepted.move_on()
    path.write_text(f"{NOON.isoformat()}\ta@x\t<1>\ts@x\n{NOON.isoformat()}\tb@x\t<2>\ts@x\n{NOON.isoformat()}\tc")

    assert [mail.recipient for mail in accepted.rest()] == ["a@x", "b@x"]
    assert accepted.count() == 2
    accepted.move_on()
    with path.open("a") as file:
        file.write("@x\t<3>\ts@x\n")

    assert [mail.recipient for mail in accepted.rest()] == ["c@x"]


def test_a_mail_that_comes_while_the_ledgers_are_compared_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "accepted.tsv"
    accepted = AcceptedList(path)
    path.write_text(f"{NOON.isoformat()}\ta@x\t<1>\ts@x\n")
    list(accepted.rest())
    with path.open("a") as file:
        file.write(f"{NOON.isoformat()}\tlate@x\t<2>\ts@x\n")
    accepted.move_on()

    assert [mail.recipient for mail in accepted.rest()] == ["late@x"]


def test_the_agenda_keeps_to_its_times_and_can_be_worked_off() -> None:
    now, done = [0.0], list[str]()
    agenda = Agenda(lambda: now[0])
    agenda.after(2, lambda: done.append("second"))
    agenda.after(1, lambda: done.append("first"))
    agenda.after(9, lambda: done.append("last"))

    agenda.work()
    assert done == []
    now[0] = 3
    agenda.work()
    assert done == ["first", "second"]
    agenda.work_off()
    assert done == ["first", "second", "last"]


def test_the_command_to_repeat_it_names_what_is_not_usual() -> None:
    order = Order(num_faults=40, seed=9, kinds=(Kind.SIGTERM, Kind.HOST_LOST), per_round=10, mean_gap_s=0.5)

    assert order.command() == "./run prove --faults 40 --servers 3 --seed 9 --kinds sigterm,host-lost --round 10 --gap 0.5"
