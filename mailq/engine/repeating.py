"""Requests that a producer repeats, because the answer was lost: done once, answered as often as they come."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection

from mailq.engine.intake.order import require_name
from mailq.errors import Conflict
from mailq.store import idempotency
from mailq.store.mailings import Mailing

Answer = Mapping[str, Any]


def once(tx: Connection, mailing: Mailing, key: str | None, digest: str, make: Callable[[], Answer]) -> Answer:
    """What a request about a mailing is answered: made in this transaction, or what was made of the same one before.

    Args:
        key: the producer's own name for the request; without one it is another request each time.
        digest: of all that the producer said.

    Raises:
        BadInput: the key is none that people could read.
        Conflict: the key belongs to another request.
    """
    if key is None:
        return make()
    require_name("key", key, of="request")
    known = idempotency.claim(tx, mailing.organization_id, key, mailing_id=mailing.id, digest=digest)
    if known is None:
        answer = make()
        idempotency.note_answer(tx, mailing.organization_id, key, answer)
        return answer
    if (known.mailing_id, known.digest) != (mailing.id, digest):
        raise Conflict(f"the key `{key}` belongs to another request; give this one a key of its own")
    return known.answer
