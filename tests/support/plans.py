"""Plans of the statements that the store really sends: each is explained, with its own parameters, just before it runs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, event

_PLANNED = ("SELECT", "UPDATE", "DELETE", "INSERT", "WITH", "EXECUTE")


@dataclass(frozen=True)
class Plan:
    """One statement and its plan, as EXPLAIN (FORMAT JSON) tells it."""

    statement: str
    root: Mapping[str, Any]

    def nodes(self) -> list[Mapping[str, Any]]:
        """Every node that may run, from the top down."""
        return list(_nodes(self.root))

    def scanned(self) -> set[str]:
        """The tables that are read from one end to the other."""
        return {node["Relation Name"] for node in self.nodes() if node["Node Type"] == "Seq Scan"}

    def touched(self, prefix: str = "") -> set[str]:
        """The tables whose names begin so and which are read or written at all."""
        return {node["Relation Name"] for node in self.nodes() if node.get("Relation Name", "-").startswith(prefix)}

    def indexes(self) -> set[str]:
        """The indexes that are used."""
        return {node["Index Name"] for node in self.nodes() if "Index Name" in node}

    def conditions(self) -> str:
        """What the indexes are searched by."""
        return " ".join(node["Index Cond"] for node in self.nodes() if "Index Cond" in node)


@contextmanager
def explained(tx: Connection) -> Iterator[list[Plan]]:
    """Collect the plans of what is executed on a connection."""
    found: list[Plan] = []

    def explain(_: object, __: object, statement: str, parameters: Any, ___: object, ____: bool) -> None:
        if not statement.lstrip().upper().startswith(_PLANNED):
            return
        with tx.connection.dbapi_connection.cursor() as cursor:  # type: ignore[union-attr]
            one = parameters[0] if isinstance(parameters, list) else parameters
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", one or None)
            told = cursor.fetchone()[0]
        told = json.loads(told) if isinstance(told, str) else told
        found.append(Plan(statement, told[0]["Plan"]))

    event.listen(tx, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        event.remove(tx, "before_cursor_execute", explain)


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)
