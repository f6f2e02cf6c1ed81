"""When outcomes are handed over to be committed: not before a commit is worth its price, and then at once."""

import asyncio

import pytest

from mailq.core.delivery import State
from mailq.core.outcome import Accepted, Rejected, Reply, Stage
from mailq.engine.feed import WindowFeed
from mailq.store.deliveries import Work
from tests.support.asynchronous import in_event_loop
from tests.support.feeds import letter
from tests.support.waiting import turn

OK = Accepted(Reply(Stage.DOT, 250, "ok"))
NO = Rejected(Reply(Stage.RCPT, 550, "no"))
ENOUGH, LINGER_S, WITHIN_S = 3, 0.5, 10.0
MOMENT_S = 0.01


def works(number: int, first: int = 1) -> list[Work]:
    return [Work(seq, "a@example.org", {}, 0, State.PENDING) for seq in range(first, first + number)]


class Desk:
    """A feed whose letters sessions have taken, and one who waits for news of them. Time passes when it is told to."""

    def __init__(self, number: int, make=lambda work: letter(work.seq)) -> None:
        loop = asyncio.get_running_loop()
        self._now_s = loop.time()
        loop.time = lambda: self._now_s
        self.feed = WindowFeed(make)
        self.feed.begin(works(number))
        self.out = []

    def take(self, number: int) -> None:
        self.out += [self.feed.take_now() for _ in range(number)]

    def report(self, number: int = 1) -> None:
        for _ in range(number):
            self.feed.report(self.out.pop(0), OK)

    async def wait(self) -> None:
        """Somebody begins to wait."""
        self._waiting = asyncio.ensure_future(self.feed.news(enough=ENOUGH, linger_s=LINGER_S, within_s=WITHIN_S))
        await self._turns()

    async def has_news(self, after_s: float = 0.0) -> bool:
        """Whether who waits is told, when so much time has passed."""
        self._now_s += after_s
        await self._turns()
        return self._waiting.done()

    async def _turns(self) -> None:
        # As many as a timer takes that wakes a future that wakes a task.
        for _ in range(4):
            await turn()


async def desk(taken: int, *, at_hand: int = 0) -> Desk:
    """One who waits, while so many letters are under way, and so many have not been taken yet."""
    made = Desk(taken + at_hand)
    made.take(taken)
    await made.wait()
    return made


@in_event_loop
async def test_enough_outcomes_are_news_and_fewer_are_not():
    one = await desk(5)
    one.report(ENOUGH - 1)
    assert not await one.has_news()
    one.report()
    assert await one.has_news()


@in_event_loop
async def test_all_that_was_begun_is_news_though_it_is_less_than_enough():
    one = await desk(ENOUGH - 1)
    one.report()
    assert not await one.has_news(), "another is under way"
    one.report()
    assert await one.has_news()


@in_event_loop
async def test_it_is_not_all_while_a_letter_waits_for_a_session():
    one = await desk(1, at_hand=1)
    one.report()
    assert not await one.has_news()
    one.take(1)
    assert not await one.has_news()
    one.report()
    assert await one.has_news()


@in_event_loop
async def test_the_first_outcome_lingers_so_long_and_those_behind_it_do_not_begin_anew():
    one = await desk(5)
    assert not await one.has_news(after_s=LINGER_S * 2), "nothing lingers yet"
    one.report()
    assert not await one.has_news(after_s=LINGER_S / 2)
    one.report()
    assert not await one.has_news(after_s=LINGER_S / 2 - MOMENT_S)
    assert await one.has_news(after_s=MOMENT_S)


@in_event_loop
async def test_an_outcome_that_came_while_nobody_waited_lingers_as_well():
    one = Desk(5)
    one.take(5)
    one.report()
    await one.wait()
    assert not await one.has_news(after_s=LINGER_S - MOMENT_S)
    assert await one.has_news(after_s=MOMENT_S)


@pytest.mark.parametrize(("begun", "reported"), [(5, ENOUGH), (2, 2)], ids=["enough", "all"])
@in_event_loop
async def test_what_is_news_already_is_not_waited_for(begun: int, reported: int):
    one = Desk(begun)
    one.take(begun)
    one.report(reported)
    await one.wait()
    assert await one.has_news()


@in_event_loop
async def test_without_an_outcome_the_wait_ends_when_its_time_is_over():
    one = await desk(5)
    assert not await one.has_news(after_s=WITHIN_S - MOMENT_S)
    assert await one.has_news(after_s=MOMENT_S)


@pytest.mark.parametrize("reported", [0, 1])
@in_event_loop
async def test_the_end_is_news_whatever_is_back(reported: int):
    one = await desk(5)
    one.report(reported)
    one.feed.end()
    assert await one.has_news()


@in_event_loop
async def test_after_the_end_each_outcome_is_news():
    """Nothing more will be begun for whose sake a commit could wait."""
    one = Desk(5)
    one.take(5)
    one.feed.end()
    await one.wait()
    assert not await one.has_news()
    one.report()
    assert await one.has_news()
    await one.wait()
    assert await one.has_news(), "it has not been handed over"


@in_event_loop
async def test_who_waits_anew_is_not_woken_by_the_clock_of_the_last_wait():
    one = await desk(ENOUGH + 2)
    one.report(ENOUGH)
    assert await one.has_news()
    assert len(one.feed.drain()) == ENOUGH
    await one.wait()
    assert not await one.has_news(after_s=LINGER_S)
    assert not await one.has_news(after_s=WITHIN_S - LINGER_S - MOMENT_S)


@in_event_loop
async def test_a_letter_that_cannot_be_made_is_an_outcome_like_any_other():
    one = Desk(2, make=lambda work: NO if work.seq == 2 else letter(work.seq))
    one.take(1)
    await one.wait()
    one.report()
    assert not await one.has_news()
    assert one.feed.take_now() is None
    assert await one.has_news()
    assert [(work.seq, outcome) for work, outcome in one.feed.drain()] == [(1, OK), (2, NO)]


@in_event_loop
async def test_a_letter_given_back_is_still_to_come():
    one = Desk(2)
    one.take(2)
    one.report()
    one.feed.give_back(one.out.pop())
    await one.wait()
    assert not await one.has_news(), "another session may have it"
    one.take(1)
    one.report()
    assert await one.has_news()
