"""Relays that misbehave at random, and a model that says which outcomes are legal; scores that a fuzzer found worth keeping."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mailq.core.outcome import Accepted, Deferred, Fault, Outcome, Rejected, Stage, Unknown
from tests.support.feeds import letters
from tests.support.hostile import EHLO, LOCK_STEP, Peer
from tests.support.scores import SEPARATOR, check_session
from tests.support.trials import ENVELOPE, Ending, trial

CORPUS = Path(__file__).parents[3] / "unit" / "transports" / "corpus" / "sessions"
LETTERS = 6

REFUSALS = [b"450 4.2.0 later", b"452 4.3.1 no room", b"550 5.1.1 no", b"554 5.7.1 no"]
BREAKS = ["close", "reset", "garbage", "half", "421"]


@dataclass(frozen=True)
class Deed:
    """What a relay does with one letter: at which stage, what, and whether it takes the message before it breaks off at the dot."""

    stage: Stage = Stage.DOT
    what: str = "accept"
    keep: bool = False

    @property
    def breaks(self) -> bool:
        """Whether it ends the session, at the latest when the client has understood it."""
        return self.what in (*BREAKS, "extra", "premature 250", "premature refusal")


deeds = st.one_of(
    st.just(Deed()),
    st.builds(Deed, st.sampled_from([*ENVELOPE, Stage.DOT]), st.sampled_from([said.decode() for said in REFUSALS])),
    st.builds(Deed, st.sampled_from([*ENVELOPE, Stage.DOT]), st.sampled_from(BREAKS)),
    st.builds(Deed, st.just(Stage.DOT), st.sampled_from(BREAKS[:-1]), st.just(True)),
    st.builds(Deed, st.just(Stage.DOT), st.sampled_from(["extra", "split", "lines"])),
    st.builds(Deed, st.just(Stage.DATA), st.sampled_from(["premature 250", "premature refusal"])),
    st.builds(Deed, st.just(Stage.RCPT), st.just("refuse and ask")),
)


@dataclass
class RandomRelay:
    """Does the deeds in order, one for each letter that is offered on whatever connection, and then behaves. It notes what it did."""

    deeds: list[Deed]
    openings: list[str]
    done: dict[str, list[Deed]] = field(default_factory=lambda: defaultdict(list))
    cut_off: set[str] = field(default_factory=set)

    async def play(self, peer: Peer) -> None:
        """Play one connection."""
        opening = self.openings.pop() if self.openings else "well"
        if opening == "greet badly":
            return await self._break(peer, "421")
        await peer.until(Stage.HELLO)
        if opening != "well":
            return await self._break(peer, opening)
        await peer.say(peer.ehlo)
        last = ""
        while await self._next(peer):
            deed = self.deeds.pop(0) if self.deeds else Deed()
            recipient = await self._carry(peer, deed)
            if deed.what in BREAKS and last:
                # What ends the session may destroy the reply before it.
                self.cut_off.add(last)
            if deed.what == "extra":
                # The client cannot know yet; it does when 250 answers its DATA, and before it says a word of content.
                return await peer.accept_rest()
            if deed.breaks:
                return None
            last = recipient
        return None

    async def _next(self, peer: Peer) -> bool:
        while line := await peer.reader.readline():
            peer.note(line)
            if line.startswith(b"MAIL"):
                return True
            await peer.say(b"250 ok\r\n" if line.startswith(b"RSET") else b"221 bye\r\n")
        return False

    async def _carry(self, peer: Peer, deed: Deed) -> str:
        for stage, word in ((Stage.MAIL, ""), (Stage.RCPT, "RCPT"), (Stage.DATA, "DATA")):
            if word:
                await peer.hear(word)
            if stage is deed.stage:
                return await self._misbehave(peer, deed)
            await peer.say(b"354 go\r\n" if stage is Stage.DATA else b"250 ok\r\n")
        await peer.hear_body()
        return await self._misbehave(peer, deed)

    async def _misbehave(self, peer: Peer, deed: Deed) -> str:
        """Do the deed; whose letter it was about."""
        # At MAIL nobody has been named yet.
        recipient = peer.recipient if deed.stage is not Stage.MAIL else ""
        self.done[recipient].append(deed)
        if deed.keep:
            peer.keep()
        match deed.what:
            case "accept" | "extra" | "split" | "lines":
                await self._accept(peer, deed.what)
            case "premature 250":
                await peer.say(b"354 go\r\n250 2.0.0 taken\r\n")
                await peer.stall()
            case "premature refusal":
                await peer.say(b"354 go\r\n552 5.3.4 too big\r\n")
                await peer.stall()
            case "refuse and ask":
                await peer.say(b"550 5.1.1 no such user\r\n")
                if b"PIPELINING" in peer.ehlo:
                    await peer.hear("DATA")
                    await peer.say(b"354 go\r\n")
                    assert await peer.hear_body() == b""
                    await peer.say(b"554 5.5.1 no recipients\r\n")
            case what if what in BREAKS:
                await self._break(peer, what)
            case refusal:
                await self._refuse(peer, deed.stage, refusal.encode())
        return recipient

    async def _accept(self, peer: Peer, how: str) -> None:
        peer.keep()
        if how == "split":
            await peer.drip(b"250 2.0.0 accepted\r\n")
        elif how == "lines":
            await peer.say(b"250-2.0.0 accepted\r\n250-\r\n250 2.0.0 indeed\r\n")
        else:
            await peer.say(b"250 2.0.0 accepted\r\n" + b"250 2.0.0 and again\r\n" * (how == "extra"))

    async def _refuse(self, peer: Peer, stage: Stage, answer: bytes) -> None:
        await peer.say(answer + b"\r\n")
        if b"PIPELINING" in peer.ehlo:
            for word in {Stage.MAIL: ("RCPT", "DATA"), Stage.RCPT: ("DATA",)}.get(stage, ()):
                await peer.hear(word)
                await peer.say(b"503 5.5.1 no\r\n")

    async def _break(self, peer: Peer, how: str) -> None:
        match how:
            case "close":
                peer.close()
            case "reset":
                peer.reset()
            case "garbage":
                await peer.say(b"what?\r\n")
                await peer.stall()
            case "half":
                await peer.say(b"250 2.0.0 O")
                peer.close()
            case "421":
                await peer.say(b"421 4.3.2 shutting down\r\n")
                peer.close()


def is_legal(outcome: Outcome | None, deed: Deed, *, cut_off: bool, rests: bool) -> bool:
    """Whether a letter may end like this whose last encounter with the relay was this deed."""
    if outcome is None:
        return rests and deed.breaks and not deed.keep
    if isinstance(outcome, Unknown):
        at_the_dot = deed.stage is Stage.DOT and deed.what in BREAKS and deed.what != "421"
        return at_the_dot or cut_off
    reply = outcome.reply
    match deed.what:
        case "accept" | "extra" | "split" | "lines":
            return isinstance(outcome, Accepted)
        case "premature refusal":
            return (reply.stage, reply.code) == (Stage.BODY, 552)
        case "refuse and ask":
            return (reply.stage, reply.code) == (Stage.RCPT, 550) and isinstance(outcome, Rejected)
        case "421" | "premature 250" | "close" | "reset" | "garbage" | "half":
            put_off = isinstance(outcome, Deferred) and outcome.fault is Fault.RELAY and reply.code == 421
            return put_off and (deed.stage is not Stage.DOT or deed.what == "421")
        case refusal:
            return (reply.stage, reply.code) == (deed.stage, int(refusal[:3]))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(deeds, max_size=12),
    st.lists(st.sampled_from(["well", "well", "greet badly", *BREAKS]), max_size=4),
    st.integers(1, 3),
    st.sampled_from([EHLO, LOCK_STEP]),
)
@example([Deed(what="reset", keep=True), Deed(Stage.MAIL, "close")], [], 1, EHLO)
@example([Deed(Stage.RCPT, "refuse and ask"), Deed(what="extra"), Deed(Stage.DATA, "premature 250")], [], 2, EHLO)
@example([Deed(), Deed(Stage.DATA, "reset")] * 4, ["close"], 3, LOCK_STEP)
def test_whatever_a_relay_does_each_letter_ends_as_its_last_encounter_allows(
    deeds: list[Deed], openings: list[str], sessions: int, ehlo: bytes
):
    relay = RandomRelay(list(deeds), list(openings))

    ending = asyncio.run(trial(relay.play, stock=letters(LETTERS), again=True, ehlo=ehlo, sessions=sessions))

    assert ending.came_at_once
    for letter in letters(LETTERS):
        _ended_legally(letter.seq, letter.recipient, relay, ending)


def _ended_legally(seq: int, recipient: str, relay: RandomRelay, ending: Ending) -> None:
    outcome = ending.outcomes.get(seq)
    met = relay.done.get(recipient, [])
    # What was done at MAIL was done to any of them.
    possible = [*met[-1:], *relay.done.get("", [])]
    if outcome is None:
        assert ending.fault is not None
        assert not any(recipient == kept for kept, _ in ending.relay.kept)
        return
    legal = [
        deed for deed in possible if is_legal(outcome, deed, cut_off=recipient in relay.cut_off, rests=ending.fault is not None)
    ]
    assert legal, (outcome, possible)


@pytest.mark.parametrize("score", [pytest.param(path.read_bytes(), id=path.name) for path in sorted(CORPUS.iterdir())])
def test_no_score_of_the_fuzzer_loses_a_letter(score: bytes):
    asyncio.run(check_session(score))


moves = st.sampled_from(
    [
        b"220 hi\r\n",
        b"250-x\r\n250 PIPELINING\r\n",
        b"250 ok\r\n",
        b"354 go\r\n",
        b"550 5.1.1 no\r\n",
        b"421 bye\r\n",
        b"250-",
        b"250",
        b"",
    ]
) | st.binary(max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(moves, max_size=16), st.booleans())
def test_no_score_loses_a_letter(played: list[bytes], opened: bool):
    opening = [b"220 hi\r\n", b"250-x\r\n250 PIPELINING\r\n"] if opened else []

    asyncio.run(check_session(SEPARATOR.join(opening + played)))
