"""Marks in files: only ever raised, and a damaged one says nothing."""

from datetime import UTC, datetime

import pytest

from mailq.core.forgetting import Mark
from mailq.errors import Unavailable
from mailq.transports.marks_file import FileMarks

NOON = datetime(2026, 12, 24, 12, tzinfo=UTC)


@pytest.fixture
def marks(tmp_path):
    return FileMarks(tmp_path / "journal")


def test_every_server_of_a_home_keeps_its_highest(marks):
    for server, beat in (("web1:8851", 7), ("web1:8852", 3), ("web1:8851", 5)):
        marks.note("life", server, Mark(beat, NOON))

    assert marks.read("life") == {"web1:8851": Mark(7, NOON), "web1:8852": Mark(3, NOON)}
    assert marks.read("another") == {}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"server": "x"}', '{"server": "x", "beat": "no", "at": "no"}'])
def test_a_damaged_file_says_nothing_and_is_replaced(marks, tmp_path, content):
    marks.note("life", "web1:8851", Mark(7, NOON))
    (file,) = (tmp_path / "journal").iterdir()
    file.write_text(content)

    assert marks.read("life") == {}
    marks.note("life", "web1:8851", Mark(8, NOON))
    assert marks.read("life") == {"web1:8851": Mark(8, NOON)}


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(Unavailable, match=r"file/journal.* cannot be written"):
        FileMarks(tmp_path / "file" / "journal").note("life", "web1:8851", Mark(7, NOON))
