"""What every `Wire` does, whatever is behind it."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import uvloop

from mailq.core.outcome import Accepted
from mailq.engine.ports import Letter, Wire
from mailq.transports.discard import DiscardWire
from mailq.transports.smtp import SmtpOptions, SmtpWire
from tests.support.feeds import BookFeed, letter, letters
from tests.support.hostile import EHLO, LOCK_STEP, hostile, well_behaved


@asynccontextmanager
async def smtp() -> AsyncIterator[Wire]:
    async with hostile(well_behaved) as relay:
        yield SmtpWire(SmtpOptions("127.0.0.1", relay.port, sessions=4))


@asynccontextmanager
async def smtp_in_lock_step() -> AsyncIterator[Wire]:
    async with hostile(well_behaved, ehlo=LOCK_STEP) as relay:
        yield SmtpWire(SmtpOptions("127.0.0.1", relay.port, sessions=4))


@asynccontextmanager
async def discard() -> AsyncIterator[Wire]:
    yield DiscardWire(sessions=4)


Making = Callable[[], AbstractAsyncContextManager[Wire]]
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def on_both_loops(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test on uvloop, and on asyncio for where it has no wheel: they buffer, pause and end connections differently."""

    @pytest.mark.parametrize("loop", LOOPS)
    @functools.wraps(test)
    def run(loop: str, **kwargs: object) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(asyncio.wait_for(test(**kwargs), 30))

    signature = inspect.signature(test)
    loop = inspect.Parameter("loop", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = signature.replace(parameters=[loop, *signature.parameters.values()])  # type: ignore[attr-defined]
    return run


every_wire = pytest.mark.parametrize("making", [smtp, smtp_in_lock_step, discard])


@every_wire
@on_both_loops
async def test_every_letter_is_reported_once(making: Making):
    async with making() as wire:
        feed = BookFeed(letters(100))
        await wire.carry(feed)
        await wire.close()

    assert feed.balanced
    assert not feed.given_back
    assert sorted(feed.outcomes) == list(range(1, 101))
    assert all(isinstance(outcome, Accepted) for outcome in feed.outcomes.values())


@every_wire
@on_both_loops
async def test_an_empty_feed_is_carried_at_once(making: Making):
    async with making() as wire:
        feed = BookFeed([])
        await wire.carry(feed)
        await wire.close()

    assert feed.balanced


@every_wire
@on_both_loops
async def test_it_can_be_used_again_after_carrying_and_after_closing(making: Making):
    async with making() as wire:
        for _ in range(2):
            for _ in range(2):
                feed = BookFeed(letters(5))
                await wire.carry(feed)
                assert len(feed.outcomes) == 5
            await wire.close()


@every_wire
@on_both_loops
async def test_a_no_from_the_feed_ends_the_carry_and_the_letter_comes_back(making: Making):
    async with making() as wire:
        feed = BookFeed(letters(50), again=True)
        feed.may = False
        await wire.carry(feed)
        await wire.close()

    assert feed.balanced
    assert feed.given_back
    assert not feed.outcomes


@every_wire
@on_both_loops
async def test_a_letter_is_asked_for_before_it_goes_out(making: Making):
    async with making() as wire:
        feed = BookFeed(letters(10))
        await wire.carry(feed)
        await wire.close()

    assert set(feed.asked) == set(feed.outcomes)


@every_wire
@on_both_loops
async def test_every_dot_has_been_asked_for_and_a_letter_refused_then_comes_back(making: Making):
    async with making() as wire:
        feed = BookFeed(letters(50))
        feed.no_dot_at = 20
        await wire.carry(feed)
        await wire.close()

    assert feed.balanced
    assert set(feed.outcomes) == {seq for seq, may in feed.dots if may}
    refused = [seq for seq, may in feed.dots if not may]
    assert refused
    assert set(refused) <= set(feed.given_back)


@pytest.mark.parametrize("ehlo", [EHLO, LOCK_STEP], ids=["pipelined", "in lock-step"])
@on_both_loops
async def test_the_relay_has_seen_the_dots_that_were_allowed_and_no_other(ehlo: bytes):
    async with hostile(well_behaved, ehlo=ehlo) as relay:
        wire = SmtpWire(SmtpOptions("127.0.0.1", relay.port, sessions=4))
        feed = BookFeed(letter(seq, b"Subject: %d\r\n\r\nworld\r\n" % seq) for seq in range(1, 51))
        feed.no_dot_at = 20
        await wire.carry(feed)
        await wire.close()

    seen = [int(body.split()[1]) for body in relay.bodies]
    assert sorted(seen) == sorted(seq for seq, may in feed.dots if may)


@every_wire
@on_both_loops
async def test_no_more_letters_are_out_than_sessions_can_hold(making: Making):
    """One past its dot and one behind it, for each session."""

    class Counting(BookFeed):
        most_out = 0

        def take_now(self) -> Letter | None:
            taken = super().take_now()
            self.most_out = max(self.most_out, len(self._out))
            return taken

    async with making() as wire:
        feed = Counting(letters(200))
        await wire.carry(feed)
        await wire.close()
        assert 1 <= feed.most_out <= 2 * wire.sessions


@every_wire
@on_both_loops
async def test_it_has_a_name_for_the_books(making: Making):
    async with making() as wire:
        assert wire.relay
        assert wire.sessions == 4
