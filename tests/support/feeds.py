"""A feed that keeps double entry: what was taken, and what became of it."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable

from mailq.core.outcome import Outcome
from mailq.engine.ports import Letter, Wire


def letter(seq: int = 1, content: bytes = b"Subject: hello\r\n\r\nworld\r\n", **changes: object) -> Letter:
    """A plain letter to `r<seq>@example.com`."""
    facts = {"seq": seq, "sender": "news@example.org", "recipient": f"r{seq}@example.com", "content": content} | changes
    return Letter(**facts)  # type: ignore[arg-type]


def letters(count: int) -> list[Letter]:
    """So many plain letters."""
    return [letter(seq) for seq in range(1, count + 1)]


class BookFeed:
    """Gives letters out of a list; with `again`, those given back go out again, first in line."""

    def __init__(self, stock: Iterable[Letter], *, again: bool = False) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.given_back: list[int] = []
        self.taken: Counter[int] = Counter()
        self.asked: list[int] = []
        self.may = True
        self.no_at: int | None = None
        self.dots: list[tuple[int, bool]] = []
        self.no_dot_at: int | None = None
        self._stock = deque(stock)
        self.stock = {letter.seq: letter for letter in self._stock}
        self._again = again
        self._out: set[int] = set()
        self._wake = asyncio.Event()

    async def take(self) -> Letter | None:
        while not self._stock:
            if not self._out:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self.take_now()

    def take_now(self) -> Letter | None:
        if not self._stock:
            return None
        letter = self._stock.popleft()
        assert letter.seq not in self._out, "a letter was given out twice"
        self._out.add(letter.seq)
        self.taken[letter.seq] += 1
        return letter

    def may_send(self, letter: Letter) -> bool:
        self.asked.append(letter.seq)
        return self.may and (self.no_at is None or len(self.asked) < self.no_at)

    def may_dot(self, letter: Letter) -> bool:
        may = self.may_send(letter) and (self.no_dot_at is None or len(self.dots) + 1 < self.no_dot_at)
        self.dots.append((letter.seq, may))
        return may

    def report(self, letter: Letter, outcome: Outcome) -> None:
        self._settle(letter)
        assert letter.seq not in self.outcomes, "a letter was reported twice"
        self.outcomes[letter.seq] = outcome

    def give_back(self, letter: Letter) -> None:
        self._settle(letter)
        self.given_back.append(letter.seq)
        if self._again:
            self._stock.appendleft(letter)

    def _settle(self, letter: Letter) -> None:
        assert letter.seq in self._out, "a letter that was not out was settled"
        self._out.discard(letter.seq)
        self._wake.set()

    @property
    def balanced(self) -> bool:
        """Whether every letter taken was reported or given back, each time exactly once."""
        return not self._out and sum(self.taken.values()) == len(self.outcomes) + len(self.given_back)


async def carry(wire: Wire, feed: BookFeed) -> None:
    """Carry a feed to its end or to a fault, after which every letter is accounted for."""
    try:
        await wire.carry(feed)
    finally:
        await wire.close()
        assert feed.balanced


class HesitantFeed(BookFeed):
    """Hands out its first letter, and the others once `more` is set; `asked_for_more` is set when somebody waits for that."""

    def __init__(self, stock: Iterable[Letter], *, again: bool = False) -> None:
        super().__init__(stock, again=again)
        self.more = asyncio.Event()
        self.asked_for_more = asyncio.Event()

    async def take(self) -> Letter | None:
        if self.taken:
            self.asked_for_more.set()
            await self.more.wait()
        return await super().take()

    def take_now(self) -> Letter | None:
        return None if self.taken and not self.more.is_set() else super().take_now()
