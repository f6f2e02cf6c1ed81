"""The Message-IDs of deliveries, as people look for them in a relay's log."""

import re
from collections.abc import Callable

from sqlalchemy import Connection

from mailq.core.message import RenderFault, message_id, parse_mailbox
from mailq.store import content, installation

_DOMAIN_AT_THE_END = re.compile(r"@([A-Za-z0-9.-]+)>?\s*$")
_SENDERS_AT_ONCE = 200


def namer(tx: Connection, mailing_id: int, domain: str | None) -> Callable[[int], str | None]:
    """The Message-ID of each delivery of a mailing by its seq; None where its domain depends on the recipient.

    Args:
        domain: the one that the settings give all of them; None takes the sender's.
    """
    facts = content.of_mailing(tx, mailing_id)
    found = _DOMAIN_AT_THE_END.search(str(facts.content.get("sender", "")))
    used = domain or (found[1].lower() if found else None)
    if used is None and not facts.is_stream:
        return lambda _: None
    secret = installation.secret(tx)
    domain_of = _Domains(tx, mailing_id) if used is None else lambda _: used
    return lambda seq: None if (its := domain_of(seq)) is None else message_id(mailing_id, seq, secret, its)


class _Domains:
    """The domains of the senders of a stream's messages, which are among their words; some hundred are read at once."""

    def __init__(self, tx: Connection, mailing_id: int) -> None:
        self._tx = tx
        self._mailing_id = mailing_id
        self._known: dict[int, str] = {}
        self._seqs = range(0)

    def __call__(self, seq: int) -> str | None:
        if seq not in self._seqs:
            self._seqs = range(seq, seq + _SENDERS_AT_ONCE)
            self._known = content.senders(self._tx, self._mailing_id, self._seqs)
        try:
            return parse_mailbox("sender", self._known.get(seq, "")).address.domain
        except RenderFault:
            return None
