"""The journal outlives its process, and is believed only when it is the very file of a dead one."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mailq.core.journal import RECORD_SIZE, Mark, Record
from mailq.transports.journal import HEADER_SIZE, Header, JournalFile, boot_id, read_dead
from tests.support.disk import full_disk, full_journal

DATABASE = "0b2b5f0e-9f38-4b1c-8a55-0e2d7a7b0001"


@pytest.fixture
def journal(tmp_path):
    return JournalFile.create(tmp_path / "journal", database=DATABASE, incarnation=3)


def dead(journal):
    """Read it as a reclaimer would whose process has died."""
    journal.close(remove=False)
    return read_dead(journal.path, journal.header)


def test_what_was_noted_is_found_when_the_process_is_dead(journal):
    journal.started(1, 2, 7, 1)
    journal.replied(1, 2, 7, 1, 250)
    journal.started(1, 2, 8, 1)
    journal.abandoned(1, 2, 8, 1)
    assert dead(journal).records == (
        Record(Mark.STARTED, 1, 2, 7, 1),
        Record(Mark.REPLIED, 1, 2, 7, 1, 250),
        Record(Mark.STARTED, 1, 2, 8, 1),
        Record(Mark.ABANDONED, 1, 2, 8, 1),
    )


def test_a_live_process_proves_nothing(journal):
    journal.started(1, 2, 7, 1)
    assert read_dead(journal.path, journal.header) is None


def test_kill_9_forgets_nothing_that_was_noted(tmp_path):
    program = (
        "import os, signal, pathlib; from mailq.transports.journal import JournalFile\n"
        f"j = JournalFile.create(pathlib.Path({str(tmp_path)!r}), database={DATABASE!r}, incarnation=3)\n"
        "for seq in range(100): j.started(1, 2, seq, 1)\n"
        "print(j.path, j.header.nonce, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    path, nonce = done.stdout.split()
    found = read_dead(tmp_path / Path(path).name, Header(DATABASE, boot_id(), 3, nonce))
    assert [record.seq for record in found.records] == list(range(100))


@pytest.mark.parametrize("part", ["database", "boot", "incarnation", "nonce"])
def test_a_file_that_is_not_the_one_the_lease_names_proves_nothing(journal, part):
    journal.close(remove=False)
    other = replace(journal.header, **{part: 4 if part == "incarnation" else "f" * 32})
    assert read_dead(journal.path, other) is None


def test_a_missing_file_proves_nothing(journal):
    journal.close(remove=True)
    assert read_dead(journal.path, journal.header) is None


def test_a_copy_proves_nothing_though_nobody_holds_its_lock(journal, tmp_path):
    """Somebody copied a home while its server was running: the copy lacks what its process has sent since."""
    journal.started(1, 2, 7, 1)
    copied = tmp_path / journal.path.name
    shutil.copy2(journal.path, copied)
    journal.started(1, 2, 8, 1)

    assert read_dead(copied, journal.header) is None
    journal.close(remove=False)
    assert read_dead(copied, journal.header) is None


def test_a_moved_journal_is_still_the_one(journal, tmp_path):
    journal.started(1, 2, 7, 1)
    journal.close(remove=False)
    moved = journal.path.rename(tmp_path / journal.path.name)
    assert [record.seq for record in read_dead(moved, journal.header).records] == [7]


@pytest.mark.parametrize("place", [0, 9, HEADER_SIZE - 20, HEADER_SIZE + 3])
def test_a_damaged_file_proves_nothing(journal, place):
    journal.started(1, 2, 7, 1)
    journal.started(1, 2, 8, 1)
    octets = bytearray(journal.path.read_bytes())
    octets[place] ^= 1
    journal.path.write_bytes(octets)
    found = dead(journal)
    assert found is None or place == HEADER_SIZE - 20


def test_discarding_leaves_the_header_and_what_comes_after(journal):
    journal.started(1, 2, 7, 1)
    journal.discard()
    journal.started(1, 3, 8, 1)
    assert [record.seq for record in dead(journal).records] == [8]


def test_a_journal_is_never_made_over_another_one(journal):
    with pytest.raises(FileExistsError):
        JournalFile(journal.path, journal.header)


def test_a_pass_with_more_notes_than_there_is_room_for_gets_more(journal):
    for seq in range(5000):
        journal.started(1, 2, seq, 1)
    assert [record.seq for record in dead(journal).records] == list(range(5000))


def test_a_file_without_its_end_proves_nothing(journal):
    """Its last records may be what is missing."""
    for seq in range(100):
        journal.started(1, 2, seq, 1)
    journal.close(remove=False)
    os.truncate(journal.path, HEADER_SIZE + 10 * RECORD_SIZE)
    assert read_dead(journal.path, journal.header) is None


def test_a_full_disk_is_told_and_leaves_whole_records_only(journal):
    """Room is asked for before it is needed, so a note fails before anything of it stands there."""
    with full_journal(journal) as number, pytest.raises(OSError):
        journal.started(1, 2, 7, 1)
    journal.started(1, 2, 8, 1)
    records = dead(journal).records
    assert (len(records), records[-1].seq) == (number + 1, 8)


def test_without_room_on_the_disk_there_is_no_journal(tmp_path):
    with full_disk(1000), pytest.raises(OSError):
        JournalFile.create(tmp_path, database=DATABASE, incarnation=3)
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_closed_holds_its_lock_no_more(journal):
    """The mapping holds the file open as the descriptor does."""
    journal.close(remove=False)
    assert read_dead(journal.path, journal.header) is not None
