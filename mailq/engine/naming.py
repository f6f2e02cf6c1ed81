"""The Message-IDs of deliveries, as people look for them in a relay's log."""

import re
from collections.abc import Callable

from sqlalchemy import Connection

from mailq.core.message import message_id
from mailq.store import content, installation

_DOMAIN_AT_THE_END = re.compile(r"@([A-Za-z0-9.-]+)>?\s*$")


def namer(tx: Connection, mailing_id: int, domain: str | None) -> Callable[[int], str | None]:
    """The Message-ID of each delivery of a mailing by its seq; None where its domain depends on the recipient.

    Args:
        domain: the one that the settings give all of them; None takes the sender's.
    """
    sender = str(content.of_mailing(tx, mailing_id).content.get("sender", ""))
    found = _DOMAIN_AT_THE_END.search(sender)
    used = domain or (found[1].lower() if found else None)
    if used is None:
        return lambda _: None
    secret = installation.secret(tx)
    return lambda seq: message_id(mailing_id, seq, secret, used)
