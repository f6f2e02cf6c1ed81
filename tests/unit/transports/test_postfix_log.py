"""What a Postfix log proves: that it had a message in its queue. Lines as Postfix 3.7 and later, rsyslog and postlogd write them."""

import gzip
import os
from pathlib import Path

import pytest

from mailq.errors import Unavailable
from mailq.transports.postfix_log import PostfixLog

ANN, BOB, CAT = (f"bounces+1a.{seq}.abcdefgh@example.com" for seq in (1, 2, 3))


def queued(sender: str, stamp: str = "Nov 21 10:00:00", instance: str = "postfix", queue_id: str = "4F2A1B3C4D") -> str:
    return f"{stamp} mx1 {instance}/qmgr[812]: {queue_id}: from=<{sender}>, size=1234, nrcpt=1 (queue active)\n"


AROUND = (
    "Nov 21 10:00:00 mx1 postfix/smtpd[811]: 4F2A1B3C4D: client=localhost[127.0.0.1]\n"
    "Nov 21 10:00:00 mx1 postfix/cleanup[813]: 4F2A1B3C4D: message-id=<1a.1.00@example.com>\n"
    "{queued}"
    "Nov 21 10:00:01 mx1 postfix/smtp[814]: 4F2A1B3C4D: to=<r1@x.example>, relay=x.example[10.0.0.1]:25, delay=0.2, "
    "delays=0.1/0/0/0.1, dsn=2.0.0, status=sent (250 ok)\n"
    "Nov 21 10:00:01 mx1 postfix/qmgr[812]: 4F2A1B3C4D: removed\n"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "mail.log"


@pytest.mark.parametrize(
    "line",
    [
        queued(ANN),
        queued(ANN, "Nov  1 00:00:00"),
        queued(ANN, "2026-11-21T10:00:00.123456+01:00"),
        queued(ANN, "2026-11-21T10:00:00Z"),
        queued(ANN, instance="postfix-out"),
        queued(ANN, instance="postfix/mailq"),
        queued(ANN.upper()),
    ],
)
def test_a_message_in_the_queue_proves_that_it_was_taken(log: Path, line: str) -> None:
    log.write_text(AROUND.format(queued=line))

    reader = PostfixLog(log)

    assert reader.queued({ANN, BOB}) == {ANN: "4F2A1B3C4D"}
    assert (reader.scanned.num_lines, reader.scanned.num_odd) == (5, 0)


def test_long_queue_ids_are_read_too(log: Path) -> None:
    """`enable_long_queue_ids = yes`."""
    log.write_text(queued(ANN, queue_id="4dCB5p1vQKz3Y4d"))

    assert PostfixLog(log).queued([ANN]) == {ANN: "4dCB5p1vQKz3Y4d"}


@pytest.mark.parametrize(
    "line",
    [
        AROUND.format(queued=""),
        f"Nov 21 10:00:00 mx1 postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[10.0.0.9]: 550; from=<{ANN}> to=<r@x.example>\n",
        f"Nov 21 10:00:00 mx1 postfix/qmgr[1]: 4F2A1B3C4D: from=<{ANN}>, status=expired, returned to sender\n",
        # What a stranger says comes behind the program's name.
        f"Nov 21 10:00:00 mx1 postfix/smtpd[1]: warning: helo=<{queued(ANN).strip()}>\n",
        "",
    ],
)
def test_other_lines_prove_nothing(log: Path, line: str) -> None:
    log.write_text(line)

    assert PostfixLog(log).queued([ANN]) == {}


def test_odd_lines_are_passed_over_and_counted(log: Path) -> None:
    odd = [b"\n", b"\xff\xfe\x00 no text\n", b"x" * 20_000 + b"\n", queued(ANN).encode()[16:]]
    log.write_bytes(b"".join(odd) + queued(BOB).encode())

    reader = PostfixLog(log)

    assert reader.queued([ANN, BOB]) == {BOB: "4F2A1B3C4D"}
    assert reader.scanned.num_lines == 7  # the long one is read in three pieces
    assert reader.scanned.num_odd == 6


def test_a_compressed_log_is_read_as_it_is(tmp_path: Path) -> None:
    packed = tmp_path / "mail.log.2.gz"
    packed.write_bytes(gzip.compress(AROUND.format(queued=queued(ANN)).encode()))

    assert PostfixLog(packed).queued([ANN]) == {ANN: "4F2A1B3C4D"}


def test_a_log_that_was_just_rotated_is_read_with_its_successor(log: Path) -> None:
    log.with_name("mail.log.1").write_text(queued(ANN))
    log.write_text(queued(BOB))

    assert set(PostfixLog(log).queued([ANN, BOB])) == {ANN, BOB}


def test_only_what_was_added_is_read_again(log: Path) -> None:
    log.write_text(AROUND.format(queued=queued(ANN)))
    reader = PostfixLog(log)
    reader.queued([ANN, BOB])
    with log.open("a") as file:
        file.write(queued(BOB))

    assert reader.queued([BOB]) == {BOB: "4F2A1B3C4D"}
    assert reader.scanned.num_lines == 6


def test_for_a_new_doubt_the_log_is_read_from_its_beginning(log: Path) -> None:
    """The line may have been there before the doubt was."""
    log.write_text(queued(ANN) + queued(BOB))
    reader = PostfixLog(log)
    reader.queued([CAT])

    assert reader.queued([ANN, CAT]) == {ANN: "4F2A1B3C4D"}


def test_a_rotated_log_is_followed(log: Path) -> None:
    log.write_text(queued(CAT))
    reader = PostfixLog(log)
    reader.queued([ANN, BOB])
    with log.open("a") as file:
        file.write(queued(ANN))
    log.rename(log.with_name("mail.log.1"))
    log.write_text(queued(BOB))

    assert set(reader.queued([ANN, BOB])) == {ANN, BOB}


def test_a_log_that_was_cut_off_is_read_from_its_beginning(log: Path) -> None:
    """`copytruncate`."""
    log.write_text(queued(CAT) * 5)
    reader = PostfixLog(log)
    reader.queued([ANN])
    log.write_text(queued(ANN))

    assert reader.queued([ANN]) == {ANN: "4F2A1B3C4D"}


def test_half_a_line_is_read_when_it_is_whole(log: Path) -> None:
    line = queued(ANN)
    log.write_text(line[:-20])
    reader = PostfixLog(log)
    assert reader.queued([ANN]) == {}
    log.write_text(line)

    assert reader.queued([ANN]) == {ANN: "4F2A1B3C4D"}


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "torn gzip", "no gzip"])
def test_what_cannot_be_read_is_told_in_a_sentence(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "mail.log"
    match kind:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "torn gzip":
            path.write_bytes(gzip.compress(queued(ANN).encode() * 1000)[:-20])
        case "no gzip":
            path.write_bytes(b"\x1f\x8bnothing of the kind")

    with pytest.raises(Unavailable, match=rf"the Postfix log {path} (cannot be read|is damaged|is not a file)"):
        PostfixLog(path).queued([ANN])
