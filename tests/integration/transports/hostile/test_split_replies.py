"""Replies in single bytes, in many lines, and with all that RFC 5321 allows between."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailq.core.outcome import Accepted, Fault, Rejected, Reply, Stage
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letters
from tests.support.hostile import LOCK_STEP, Peer, well_behaved
from tests.support.trials import code_by_smtplib, code_of, trial

LETTERS = 5


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.DOT])
@in_event_loop
async def test_a_refusal_in_single_bytes_and_three_lines_is_one_reply(stage: Stage):
    async def script(peer: Peer) -> None:
        await peer.until(stage)
        await peer.drip(b"550-5.7.1 not\r\n550-5.7.1 from\r\n550 5.7.1 you\r\n")
        await peer.drip(b"503 5.5.1 then not this either\r\n" * {Stage.MAIL: 2, Stage.RCPT: 1}.get(stage, 0))
        await peer.stall()

    ending = await trial(script)

    assert ending.outcomes == {1: Rejected(Reply(stage, 550, "5.7.1 not 5.7.1 from 5.7.1 you"), Fault.POLICY)}
    assert ending.came_at_once


@pytest.mark.parametrize("ehlo", [b"250-x\r\n250 PIPELINING\r\n", LOCK_STEP], ids=["pipelined", "in lock step"])
@in_event_loop
async def test_a_whole_dialogue_in_single_bytes_is_the_same_dialogue(ehlo: bytes):
    async def script(peer: Peer) -> None:
        await peer.drip(b"220-hello\r\n220-\r\n220 you\r\n")
        await peer.hear("EHLO")
        await peer.drip(ehlo)
        while await peer.another():
            await peer.drip(b"250-2.1.0 a\r\n250-\r\n250\r\n")
            await peer.hear("RCPT")
            await peer.drip(b"250-2.1.5 b\r\n250 2.1.5 c\r\n")
            await peer.hear("DATA")
            await peer.drip(b"354-go\r\n354 ahead\r\n")
            await peer.hear_body()
            peer.keep()
            await peer.drip(b"250-2.0.0 queued\r\n250 2.0.0 as 4F2A\r\n")

    ending, code = await asyncio.gather(trial(script, stock=letters(LETTERS)), code_by_smtplib(script))

    assert ending.outcomes == dict.fromkeys(range(1, LETTERS + 1), Accepted(Reply(Stage.DOT, 250, "2.0.0 queued 2.0.0 as 4F2A")))
    assert len(ending.relay.peers) == 1
    assert code == code_of(ending.outcomes[1])


@in_event_loop
async def test_replies_to_a_whole_group_come_in_any_pieces():
    """RFC 2920 lets a relay send them together, or cut them where it likes."""
    stream = b"250 a\r\n250 b\r\n354 c\r\n"

    async def cut_at(place: int) -> None:
        async def script(peer: Peer) -> None:
            await peer.until(Stage.HELLO)
            await peer.say(peer.ehlo)
            await peer.hear_all("MAIL", "RCPT", "DATA")
            await peer.segment(stream[:place])
            await peer.say(stream[place:])
            await peer.hear_body()
            await peer.accept()
            await peer.stall()

        assert (await trial(script)).kinds == {1: Accepted}

    await asyncio.gather(*(cut_at(place) for place in range(len(stream) + 1)))


@in_event_loop
async def test_a_long_reply_is_cut_where_the_books_keep_it():
    """Of 400 lines the first 500 characters are kept; the reply counts as a whole."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.DOT)
        await peer.accept(b"250-2.0.0 and another word\r\n" * 400 + b"250 2.0.0 that was all\r\n")
        await peer.stall()

    ending, code = await asyncio.gather(trial(script), code_by_smtplib(script))

    [outcome] = ending.outcomes.values()
    assert isinstance(outcome, Accepted)
    assert len(outcome.reply.text) == 500
    assert code == 250


@in_event_loop
async def test_one_unusual_reply_in_the_usual_group_is_not_overlooked():
    """The replies to a dot and to the envelope behind it are read in one glance when they are the usual ones."""

    unfinished = b"550-x\r\n"

    async def ended(place: int, line: bytes, size_bytes: int) -> tuple[object, ...]:
        group = [b"250 taken\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]
        group[place] = line

        async def script(peer: Peer) -> None:
            await peer.until(Stage.DOT)
            await peer.hear_all("MAIL", "RCPT", "DATA")
            if group[0].startswith(b"2"):
                peer.keep()
            await peer.drip(b"".join(group), size_bytes)
            if group[3] != unfinished:
                await peer.hear_of(b".\r\n", b"QUIT\r\n", b"RSET\r\n")
            peer.close_half()
            await peer.stall()

        ending = await trial(script, stock=letters(2))
        assert ending.came_at_once, (place, line, size_bytes)
        return ending.outcomes, ending.given_back

    lines = [b"%d x\r\n" % code for code in (200, 251, 299, 354, 399, 421, 450, 550)] + [
        b"250-x\r\n250 y\r\n",
        unfinished,
        b"x\r\n",
    ]
    cases = [(place, line) for place in range(4) for line in lines]
    whole = await asyncio.gather(*(ended(*case, 1000) for case in cases))
    pieces = await asyncio.gather(*(ended(*case, 3) for case in cases))

    for case, in_one, in_many in zip(cases, whole, pieces, strict=True):
        assert in_one == in_many, case
    assert whole[cases.index((0, b"550 x\r\n"))][0][1] == Rejected(Reply(Stage.DOT, 550, "x"), Fault.POLICY)


texts = st.binary(max_size=30).map(lambda text: text.replace(b"\n", b" ").replace(b"\r", b" ")) | st.just(b"x" * 600)
replies = {
    word: st.tuples(st.sampled_from(codes), texts, st.sampled_from([b"", b"", b"", b"%d-and\r\n"]))
    for word, codes in {
        "path": [250, 250, 250, 251, 299],
        "data": [354, 354, 354, 399],
        "dot": [250, 250, 250, 200, 299, 354, 421, 452, 550],
    }.items()
}
answers = st.tuples(replies["path"], replies["path"], replies["data"], replies["dot"])
Answer = tuple[int, bytes, bytes]


def written(answer: Answer) -> bytes:
    code, text, before = answer
    return (before % code if before else b"") + b"%d %s\r\n" % (code, text)


async def ended_with(answered: list[tuple[Answer, ...]], *, size_bytes: int) -> tuple[object, ...]:
    """How three letters end when the replies to a dot and to the envelope behind it come in pieces of this size."""

    async def script(peer: Peer) -> None:
        await peer.until(Stage.HELLO)
        await peer.say(peer.ehlo)
        group = b""
        for mail, rcpt, data, dot in answered:
            if not await peer.another():
                return
            await peer.hear_all("RCPT", "DATA")
            await peer.drip(group + written(mail) + written(rcpt) + written(data), size_bytes)
            await peer.hear_body()
            if dot[0] < 300:
                peer.keep()
            group = written(dot)
        await peer.drip(group, size_bytes)
        await peer.stall()

    ending = await trial(script, well_behaved, stock=letters(len(answered)), again=True)
    return ending.outcomes, ending.given_back, len(ending.relay.peers)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(answers, min_size=3, max_size=3), st.integers(3, 40))
def test_in_one_piece_or_in_many_the_same_replies_have_the_same_outcomes(answered: list[tuple[Answer, ...]], size_bytes: int):
    """What reads the usual replies in one glance must read them as the parser does."""

    async def both() -> None:
        whole, pieces = await asyncio.gather(
            ended_with(answered, size_bytes=1 << 20), ended_with(answered, size_bytes=size_bytes)
        )
        assert whole == pieces

    asyncio.run(both())
