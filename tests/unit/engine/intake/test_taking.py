"""Recipients are taken over ahead of time from whoever is quick, and never within a statement from whoever is slow."""

import pytest

from mailq.engine.intake import taking
from mailq.engine.intake.taking import Taking


class Clock:
    """A producer's watch: each recipient takes so long."""

    def __init__(self, each_s: float) -> None:
        self.now_s, self._each_s = 0.0, each_s

    def monotonic(self) -> float:
        return self.now_s

    def people(self, number: int):
        for each in range(number):
            self.now_s += self._each_s
            yield f"p{each}@x.example"


@pytest.fixture
def taken(monkeypatch):
    """Takes 12,000 recipients of whom each takes so long: the sizes of the chunks, and for how long a statement waited at most."""

    def take(each_s: float):
        clock = Clock(each_s)
        monkeypatch.setattr(taking, "time", clock)
        source, sizes, waits = Taking(clock.people(12_000), batch_size=1000), [], [0.0]
        while chunk := source.next_chunk():
            sizes.append(sum(batch.num_profiles for batch in chunk))
            began_s = clock.now_s
            for _ in range(20):
                source.ahead()
            waits.append(clock.now_s - began_s)
        assert source.num_taken == sum(sizes) == 12_000
        return sizes, max(waits)

    return take


def test_the_next_ones_of_a_quick_producer_are_taken_meanwhile(taken):
    sizes, waited_s = taken(0.0001)
    assert sizes == [10_000, 2_000]
    assert waited_s > 0


def test_no_statement_waits_for_a_slow_producer(taken):
    sizes, waited_s = taken(0.1)
    assert sizes == [1000] * 12
    assert waited_s == 0
