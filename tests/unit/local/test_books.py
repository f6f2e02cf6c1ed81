"""The sink's books: what is accepted is on file, in a form that cannot be misread."""

import resource
import signal

import pytest

from mailq.local.sink.books import Books, message_id, read_accepted


@pytest.mark.parametrize(
    ("content", "identity"),
    [
        (b"Message-ID: <a@b>\r\nSubject: x\r\n\r\nbody\r\n", "<a@b>"),
        (b"Subject: x\r\nmessage-id:<a@b>\r\n\r\nbody\r\n", "<a@b>"),
        (b"Message-ID:\r\n <a@b>\r\n\r\nbody\r\n", "<a@b>"),
        (b"Subject: x\r\n\r\nMessage-ID: <in-the-body@b>\r\n", ""),
        (b"X-Message-ID: <other@b>\r\n\r\n", ""),
        (b"", ""),
    ],
)
def test_the_message_id_is_the_one_of_the_head(content, identity):
    """In any case, folded or not; a body that quotes one is no head."""
    assert message_id(content) == identity


def test_what_was_accepted_can_be_read_back(tmp_path):
    """Also what was accepted before a restart."""
    path = tmp_path / "accepted.tsv"
    for number in range(2):
        books = Books(path)
        books.open()
        books.accept("from@x.example", [f"{number}@y.example", "jörg@z.example"], b"Message-ID: <%d@x>\r\n\r\n" % number)
        books.close()

    rows = [(row.recipient, row.message_id, row.sender) for row in read_accepted(path)]
    assert rows == [
        ("0@y.example", "<0@x>", "from@x.example"),
        ("jörg@z.example", "<0@x>", "from@x.example"),
        ("1@y.example", "<1@x>", "from@x.example"),
        ("jörg@z.example", "<1@x>", "from@x.example"),
    ]


def test_a_tab_or_line_end_cannot_forge_a_line(tmp_path):
    """A quoted local part may hold a tab, a Message-ID anything."""
    books = Books(tmp_path / "accepted.tsv")
    books.open()
    books.accept('"a\tb"@x.example', ["c@x.example"], b"Message-ID: <a\tb\x0bc>\r\n\r\n")

    (row,) = read_accepted(tmp_path / "accepted.tsv")
    assert row.sender == r'"a\x09b"@x.example'
    assert row.message_id == r"<a\x09b\x0bc>"


def test_a_line_that_is_still_being_written_is_left_out(tmp_path):
    """A reader beside a writer sees whole lines."""
    path = tmp_path / "accepted.tsv"
    path.write_text("2026-01-01T00:00:00+00:00\ta@x.example\t<1@x>\tb@x.example\n2026-01-01T00:00")

    assert [row.recipient for row in read_accepted(path)] == ["a@x.example"]


def test_a_message_in_the_maildir_is_as_it_was_sent(tmp_path):
    """Under two lines that say for whom it was, and from whom."""
    books = Books(maildir=tmp_path / "Maildir")
    books.open()
    books.accept("from@x.example", ["a@y.example", "b@y.example"], b"Subject: x\r\n\r\n.dots\r\n..\r\n")

    (file,) = (tmp_path / "Maildir" / "new").iterdir()
    head = b"Return-Path: <from@x.example>\r\nX-Sink-Recipient: a@y.example\r\nX-Sink-Recipient: b@y.example\r\n"
    assert file.read_bytes() == head + b"Subject: x\r\n\r\n.dots\r\n..\r\n"
    assert not list((tmp_path / "Maildir" / "tmp").iterdir())


def test_a_full_disk_leaves_no_half_line_and_no_message(tmp_path):
    """Noted wholly or not at all: the sender is told 452, so the books must not have it."""
    path = tmp_path / "accepted.tsv"
    books = Books(path, tmp_path / "Maildir", keep=True)
    books.open()
    books.accept("from@x.example", ["first@y.example"], b"Subject: x\r\n\r\n")
    before = path.read_bytes()

    with _files_at_most(len(before) + 20), pytest.raises(OSError):
        books.accept("from@x.example", ["second@y.example"], b"")

    assert path.read_bytes() == before
    assert books.num_accepted == len(books.messages) == 1
    assert len(list((tmp_path / "Maildir" / "new").iterdir())) == 1


class _files_at_most:  # noqa: N801 - reads as a clause
    """The kernel's limit on the size of a file stands in for a full disk."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes

    def __enter__(self) -> None:
        self.handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size_bytes, self.limits[1]))

    def __exit__(self, *error: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)
        signal.signal(signal.SIGXFSZ, self.handler)


def test_discarding_only_counts():
    """Neither list nor Maildir nor memory."""
    books = Books()
    books.open()
    books.accept("from@x.example", ["a@y.example"], b"x" * 10)

    assert (books.num_accepted, books.num_bytes, books.messages) == (1, 10, [])
