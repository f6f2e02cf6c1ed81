"""The Message-IDs of deliveries, as commands show them."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailq.settings import Settings

_DOMAIN_AT_THE_END = re.compile(r"@([A-Za-z0-9.-]+)>?\s*$")


def namer(tx: "Connection", mailing_id: int, chosen: "Settings") -> Callable[[int], str | None]:
    """The Message-ID of each delivery of a mailing by its seq; None where its domain depends on the recipient."""
    from mailq.core.message import message_id
    from mailq.store import content, installation

    sender = str(content.of_mailing(tx, mailing_id).content.get("sender", ""))
    found = _DOMAIN_AT_THE_END.search(sender)
    domain = chosen.message_id_domain or (found[1].lower() if found else None)
    if domain is None:
        return lambda _: None
    secret = installation.secret(tx)
    return lambda seq: message_id(mailing_id, seq, secret, domain)
