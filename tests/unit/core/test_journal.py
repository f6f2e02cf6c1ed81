"""Records prove what they say about the pass and the try they name, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.journal import RECORD_SIZE, Evidence, Mark, Record, TornJournal, evidence, unpack

RECORDS = st.builds(
    Record,
    mark=st.sampled_from(Mark),
    batch_id=st.integers(0, 2**63 - 1),
    fence=st.integers(0, 2**31 - 1),
    seq=st.integers(0, 2**31 - 1),
    attempt=st.integers(1, 1000),
    code=st.integers(0, 599),
)


def of(*records):
    return evidence([Record(mark, 1, 1, seq, attempt, code) for mark, seq, attempt, code in records], batch_id=1, fence=1)


@given(st.lists(RECORDS, max_size=20), st.integers(0, 3 * RECORD_SIZE))
def test_records_come_back_as_they_were_written_and_end_where_nothing_was(records, room):
    assert list(unpack(b"".join(record.pack() for record in records) + bytes(room))) == records


@given(st.lists(RECORDS, min_size=1, max_size=5), st.integers(1, RECORD_SIZE - 1))
def test_a_record_cut_short_makes_the_file_prove_nothing(records, missing):
    written = b"".join(record.pack() for record in records)[:-missing]
    with pytest.raises(TornJournal):
        list(unpack(written))


@given(st.lists(RECORDS, min_size=2, max_size=5), st.data())
def test_a_record_that_became_zeros_in_front_of_others_makes_the_file_prove_nothing(records, data):
    place = data.draw(st.integers(0, len(records) - 2))
    written = [record.pack() for record in records]
    written[place] = bytes(RECORD_SIZE)
    with pytest.raises(TornJournal):
        list(unpack(b"".join(written)))


@given(st.lists(RECORDS, min_size=2, max_size=5), st.data())
def test_a_damaged_record_makes_the_file_prove_nothing(records, data):
    written = bytearray(b"".join(record.pack() for record in records))
    place = data.draw(st.integers(0, len(written) - 1))
    written[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(TornJournal):
        list(unpack(bytes(written)))


def test_no_record_means_that_no_dot_left():
    assert of() == {}


def test_a_dot_without_a_reply_is_doubt():
    assert of((Mark.STARTED, 7, 1, 0)) == {7: Evidence(dot_left=True)}


def test_a_reply_is_known_by_its_code():
    assert of((Mark.STARTED, 7, 1, 0), (Mark.REPLIED, 7, 1, 250)) == {7: Evidence(dot_left=True, code=250)}


def test_a_dot_that_was_abandoned_did_not_leave():
    assert of((Mark.STARTED, 7, 1, 0), (Mark.ABANDONED, 7, 1, 0)) == {7: Evidence(dot_left=False)}


def test_only_the_last_try_counts():
    assert of((Mark.STARTED, 7, 1, 0), (Mark.ABANDONED, 7, 1, 0), (Mark.STARTED, 7, 2, 0)) == {7: Evidence(dot_left=True)}


@pytest.mark.parametrize(("batch_id", "fence"), [(2, 1), (1, 2)])
def test_records_of_another_batch_or_pass_prove_nothing(batch_id, fence):
    records = [Record(Mark.STARTED, batch_id, fence, 7, 1), Record(Mark.REPLIED, batch_id, fence, 7, 1, 250)]
    assert evidence(records, batch_id=1, fence=1) == {}
