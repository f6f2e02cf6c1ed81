"""What a call does to one object, as the runner does it: what was accepted, as the database gives it back, in a transaction."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mailq.core.call import Method
from mailq.engine.calls import order
from mailq.engine.calls.kind import Done, Means
from mailq.engine.calls.kinds import KINDS
from mailq.store.database import Database


def accepted(method: str, **said: Any) -> Mapping[str, Any]:
    """An object that a call was accepted with."""
    [given] = order.read({"method": method, "objects": [said]}).objects
    again: Mapping[str, Any] = json.loads(json.dumps(given))
    return again


@dataclass(frozen=True)
class Producer:
    """An organization that has deeds done."""

    database: Database
    organization_id: int

    def __call__(self, method: str, **said: Any) -> Done:
        """Accept an object, do what is to be done, and commit it."""
        given = accepted(method, **said)
        with self.database.begin() as tx, tx.begin_nested():
            deed = KINDS[given["type"]].deeds[Method(method)]
            return deed(tx, Means(self.organization_id, batch_size=3), given)
