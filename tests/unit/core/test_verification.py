"""What differs between the books and a recount is named with both numbers."""

from dataclasses import replace

import pytest

from mailq.core.batch import State as Batch
from mailq.core.mailing import State
from mailq.core.verification import COUNTERS, BatchCheck, Difference, MailingCheck

COUNTS = dict.fromkeys(COUNTERS, 0) | {"num_profiles": 3, "num_sent": 3}
GOOD = BatchCheck(1, Batch.FINISHED, COUNTS, COUNTS, (1, 3), (1, 3))


def check(*batches: BatchCheck, state: State = State.FINISHED, num_loaded: int | None = None) -> list[Difference]:
    loaded = sum(each.counted["num_profiles"] for each in batches) if num_loaded is None else num_loaded
    mailing = MailingCheck(state, loaded)
    return [one for each in batches for one in mailing.add(each)] + list(mailing.differences())


def test_books_that_are_right_differ_in_nothing() -> None:
    assert check(GOOD, replace(GOOD, number=2, span=(4, 6), found_span=(4, 6))) == []


def test_a_counter_that_is_wrong_is_named_with_both_numbers() -> None:
    wrong = replace(GOOD, kept=COUNTS | {"num_sent": 2, "num_errors": 1})

    assert check(wrong) == [Difference(1, "num_sent", "2", "3"), Difference(1, "num_errors", "1", "0")]


@pytest.mark.parametrize("state", [Batch.FINISHED, Batch.CANCELLED])
@pytest.mark.parametrize("left", ["num_pending", "num_deferred"])
def test_a_batch_that_is_done_has_nothing_to_send(state: Batch, left: str) -> None:
    counts = COUNTS | {"num_sent": 2, left: 1}

    found = check(replace(GOOD, state=state, kept=counts, counted=counts), state=State.RUNNING)

    assert [each.what for each in found] == [f"{state}, with deliveries still to send"]


@pytest.mark.parametrize("state", [Batch.READY, Batch.LEASED, Batch.WAITING])
def test_a_finished_mailing_has_only_batches_that_are_done(state: Batch) -> None:
    (found,) = check(replace(GOOD, state=state))

    assert found == Difference(None, "finished, with batches that are not done", "0", "1")
    assert check(replace(GOOD, state=state), state=State.RUNNING) == []


def test_the_seqs_of_a_batch_are_those_of_its_deliveries() -> None:
    assert check(replace(GOOD, found_span=(1, 2))) == [Difference(1, "seqs", "1-3", "1-2")]
    assert check(replace(GOOD, found_span=None))[0] == Difference(1, "seqs", "1-3", "none")


def test_batches_join_without_a_gap() -> None:
    second = replace(GOOD, number=2, span=(5, 7), found_span=(5, 7))

    assert check(GOOD, second) == [Difference(2, "first seq after that of the batch before", "5", "4")]


def test_deliveries_without_a_batch_and_recipients_that_were_not_loaded_are_named() -> None:
    lost = BatchCheck(None, None, dict.fromkeys(COUNTERS, 0), COUNTS, None, (4, 6))

    assert check(GOOD, lost, num_loaded=3) == [
        Difference(None, "deliveries of a batch that is not there", "0", "3"),
        Difference(None, "num_loaded", "3", "6"),
    ]
