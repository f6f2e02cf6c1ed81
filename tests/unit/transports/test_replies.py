"""Replies come in any pieces, and garbage ends in one error."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailq.transports.smtp.replies import MAX_LINE_BYTES, MAX_REPLY_BYTES, MAX_REPLY_LINES, GarbledReply, RawReply, ReplyParser
from tests.support.scores import check_replies

CORPUS = Path(__file__).with_name("corpus") / "replies"

line_texts = st.binary(max_size=60).map(lambda text: text.replace(b"\n", b"").rstrip(b"\r"))
valid_replies = st.tuples(st.integers(200, 599), st.lists(line_texts, min_size=1, max_size=4))


def written(code: int, lines: list[bytes], end: bytes = b"\r\n") -> bytes:
    continued = b"".join(b"%d-%s%s" % (code, line, end) for line in lines[:-1])
    return continued + b"%d %s%s" % (code, lines[-1], end)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(at)]


@given(
    st.lists(valid_replies, min_size=1, max_size=6),
    st.lists(st.integers(0, 10_000), max_size=30),
    st.sampled_from([b"\r\n", b"\n"]),
)
def test_however_a_stream_is_cut_it_holds_the_same_replies(replies: list, cuts: list[int], end: bytes):
    stream = b"".join(written(code, lines, end) for code, lines in replies)
    parser = ReplyParser()

    heard = [reply for piece in pieces(stream, cuts) for reply in parser.feed(piece)]

    assert heard == [RawReply(code, b"\n".join(lines)) for code, lines in replies]
    assert not parser.midway


@given(
    st.lists(
        st.binary(max_size=200) | st.sampled_from([b"250-", b"250 ok\r\n", b"\r", b"\n", b"2\xff0 x\r\n", b"250"]), max_size=20
    )
)
def test_garbage_is_refused_by_the_parsers_own_error_and_nothing_else(chunks: list[bytes]):
    parser = ReplyParser()
    try:
        for chunk in chunks:
            for reply in parser.feed(chunk):
                assert 200 <= reply.code <= 599
    except GarbledReply:
        pass


fragments = st.sampled_from([b"250-", b"250 ", b"250", b"\r", b"\n", b"\r\n", b"ok", b"550 ", b"\xff", b"x" * 1022, b"-", b" "])


@given(st.lists(fragments | st.binary(max_size=4), max_size=40).map(b"".join))
@example(b"250 " + b"x" * (MAX_LINE_BYTES - 4) + b"\r\n")  # refused, once, when the cut fell between CR and LF
@example(b"250 " + b"x" * (MAX_LINE_BYTES - 3) + b"\r\n")
@example(b"250-" + b"x" * (MAX_LINE_BYTES - 4) + b"\r\n250\r\n")
@example(b"250-x\r\n" * (MAX_REPLY_LINES - 1) + b"250 x\r\n250")
@example(b"250-x\r\n" * MAX_REPLY_LINES + b"250 x\r\n")
@example(b"250\r\r\n250-\n250 \n")
def test_whatever_comes_is_read_as_the_rfc_has_it_however_it_is_cut(stream: bytes):
    check_replies(stream)


@pytest.mark.parametrize("stream", [pytest.param(path.read_bytes(), id=path.name) for path in sorted(CORPUS.iterdir())])
def test_what_the_fuzzer_began_with_and_what_it_kept_is_read_so_too(stream: bytes):
    """`python -m tests.support.fuzzing replies`."""
    check_replies(stream)


@given(
    st.lists(st.sampled_from([b"250 ok\r\n", b"550 no\r\n"]), max_size=5),
    st.sampled_from([b"hello\r\n", b"999 x\r\n", b"250_x\r\n", b"\r\n"]),
)
def test_sound_replies_before_garbage_are_not_lost(sound: list[bytes], garbage: bytes):
    with pytest.raises(GarbledReply) as caught:
        ReplyParser().feed(b"".join(sound) + garbage)
    assert [reply.code for reply in caught.value.before] == [int(line[:3]) for line in sound]


def test_a_code_alone_is_a_reply():
    assert ReplyParser().feed(b"250\r\n") == [RawReply(250, b"")]


def test_a_reply_without_its_line_end_is_not_a_reply():
    parser = ReplyParser()
    assert parser.feed(b"250 2.0.0 O") == []
    assert parser.midway


@pytest.mark.parametrize(
    "stream",
    [
        b"250-yes\r\n550 no\r\n",
        b"\xff\xfe\x00\r\n",
        b"+25 x\r\n",
        b" 25 x\r\n",
        b"250\tx\r\n",
        b"150 x\r\n",
        b"600 x\r\n",
        "٢٥٠ x\r\n".encode(),
        b"2" * (MAX_LINE_BYTES + 2),
        b"250 " + b"x" * MAX_LINE_BYTES + b"\r\n",
        b"250-x\r\n" * (MAX_REPLY_LINES + 1),
        (b"250-" + b"x" * 1000 + b"\r\n") * (MAX_REPLY_BYTES // 1000 + 1),
    ],
)
def test_what_is_no_reply_is_refused(stream: bytes):
    with pytest.raises(GarbledReply):
        ReplyParser().feed(stream)


@pytest.mark.parametrize("endless", [b"250-", b"250-x\r\n"])
def test_an_endless_reply_is_refused_before_it_fills_the_memory(endless: bytes):
    parser = ReplyParser()

    def feed(size_bytes: int) -> None:
        for _ in range(size_bytes // len(endless)):
            parser.feed(endless)

    with pytest.raises(GarbledReply):
        feed(2 * MAX_REPLY_BYTES)
