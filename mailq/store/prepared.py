"""Statements that a connection has PostgreSQL parse and plan once: for those that run for every few mails."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, CursorResult

from mailq.store import partitions

SESSION = """
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off
"""
"""For a session whose statements are prepared: they are planned once, maybe while a table is empty, and a table does not stay so.

What reads an index for each row stays right at any size.
"""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement with `$1`, `$2` … for its values, whose plan serves whatever they are.

    It lives as long as its connection, so behind a connection pooler it needs a session of its own.

    Attributes:
        types: of the values, separated by commas.
    """

    name: str
    types: str
    statement: str

    def execute(self, tx: Connection, *values: object) -> CursorResult[tuple[object, ...]]:
        """Run it with these values."""
        if self.name not in tx.info:
            tx.exec_driver_sql(f"PREPARE {self.name} ({self.types}) AS {self.statement}")
            tx.info[self.name] = True
        places = ", ".join(["%s"] * len(values))
        return tx.exec_driver_sql(f"EXECUTE {self.name} ({places})", values)


@dataclass(frozen=True, slots=True)
class PreparedOfMonth:
    """A statement on the deliveries of one mailing: prepared for each month, on its `{partition}`.

    On the partition itself, because to plan for all of them would cost as much as to write to one.

    Attributes:
        types: of the values, of which the mailing's id is the first.
    """

    name: str
    types: str
    statement: str
    _by_month: dict[int, Prepared] = field(default_factory=dict, init=False, repr=False, compare=False)

    def execute(self, tx: Connection, mailing_id: int, *values: object) -> CursorResult[tuple[object, ...]]:
        """Run it on the month of a mailing, with its id and these values."""
        month = partitions.month_in(mailing_id)
        prepared = self._by_month.get(month) or self._prepared(month)
        return prepared.execute(tx, mailing_id, *values)

    def _prepared(self, month: int) -> Prepared:
        partition = partitions.name_of(month)
        made = Prepared(f"{self.name}_{partition}", self.types, self.statement.format(partition=partition))
        return self._by_month.setdefault(month, made)
