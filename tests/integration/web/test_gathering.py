"""Orders of several kinds, gathered into one transaction."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, text

from mailq.errors import Conflict, Unavailable
from mailq.store.database import Database
from mailq.web.api import gathering
from mailq.web.api.gathering import Gathered, Gatherer


class Writing:
    """Writes words; answers each with its transaction. A word may be refused, or break the transaction."""

    def __init__(self, kind: str, told: list[str]) -> None:
        self.kind = kind
        self.told = told

    def __call__(self, tx: Connection, organization_id: int, words: Sequence[str]) -> list[int | Conflict]:
        self.told.append(f"{self.kind}{organization_id}:{','.join(words)}")
        if "broken" in words:
            tx.execute(text("SELECT 1 / 0"))
        number = int(tx.execute(text("SELECT txid_current()")).scalar_one())
        return [Conflict("not this one") if word == "refused" else number for word in words]


Asked = Sequence[tuple[str, int, str]]


def gathered(database: Database, asked: Asked) -> tuple[list[int | BaseException], list[str]]:
    """The answers to orders that arrive together: kind, organization and word; and what was written."""
    told: list[str] = []

    async def ask() -> list[int | BaseException]:
        gatherer = Gatherer(database)
        kinds: dict[str, Gathered[str, int]] = {kind: gatherer.of(Writing(kind, told)) for kind in "ab"}
        gatherer.start()
        try:
            orders = (kinds[kind].accept(organization_id, word) for kind, organization_id, word in asked)
            return await asyncio.gather(*orders, return_exceptions=True)
        finally:
            await gatherer.stop()

    return asyncio.run(ask()), told


def test_orders_of_all_kinds_share_a_transaction(database: Database) -> None:
    """In one order, whatever they came in, so that processes do not wait for each other; each has its own answer."""
    answers, told = gathered(
        database, [("b", 2, "x"), ("a", 2, "y"), ("b", 1, "z"), ("a", 1, "v"), ("a", 1, "refused"), ("a", 1, "w")]
    )

    assert told == ["a1:v,refused,w", "a2:y", "b1:z", "b2:x"]
    assert isinstance(answers.pop(4), Conflict)
    assert len(set(answers)) == 1


def test_one_that_breaks_the_transaction_takes_none_with_it(database: Database) -> None:
    """The others are written again, each alone."""
    answers, _ = gathered(database, [("a", 1, "x"), ("b", 1, "broken"), ("b", 1, "y")])

    assert type(answers[1]).__name__ == "DataError"
    assert [type(each) for each in answers] == [int, type(answers[1]), int]
    assert answers[0] != answers[2]


def test_a_crowd_is_many_in_a_short_time() -> None:
    """It is one as long as it lasts: who comes alone afterwards waits for nobody."""
    crowd, seen = gathering._Crowd(), []
    for now, num in ((100.0, 1), (100.1, 50), (100.2, 40), (100.3, 20), (100.4, 90), (100.6, 1), (200.0, 3)):
        crowd.note(num, now)
        seen.append(crowd.is_there)

    assert seen == [False, False, False, True, True, False, False]


def test_too_many_that_wait_are_refused_for_now(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all kinds together."""
    monkeypatch.setattr(gathering, "MOST_WAITING", 2)

    answers, _ = gathered(database, [("a", 1, "x"), ("b", 1, "y"), ("a", 1, "z")])

    assert [isinstance(each, Unavailable) for each in answers] == [False, False, True]
