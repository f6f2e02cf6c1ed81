"""Copies a recipient list into a mailing: who is on it at that moment, but no subscriber who is not active."""

from sqlalchemy import Connection

from mailq.core.message import read_content
from mailq.engine.intake.order import require_names
from mailq.errors import Conflict, NotFound
from mailq.store import list_copies, mailings, recipient_lists, recipients
from mailq.store.mailings import Mailing

FIELD = "recipient_list"


def copy_list(tx: Connection, mailing: Mailing, customer_key: str) -> int:
    """Put whoever is on a list into a mailing, whose load is locked or which this transaction has made; how many they are.

    Raises:
        NotFound: its organization has no such list.
        BadInput: the content needs what nobody on it has.
        Conflict: somebody else fills the mailing.
    """
    found = recipient_lists.by_key(tx, mailing.organization_id, customer_key, keep=True)
    if found is None:
        raise NotFound(f"there is no recipient list `{customer_key}`")
    names = list_copies.names(tx, found.id)
    if names is None:
        return 0
    require_names(read_content(mailings.content(tx, mailing.id)), names, f"recipient list `{customer_key}`", field=FIELD)
    num = _copy(tx, mailing, found.id)
    if not mailings.note_filled(tx, mailing.id, before=mailing.num_loaded, after=mailing.num_loaded + num):
        raise Conflict(f"mailing {mailing.public_id} is complete, or was filled by somebody else at the same time")
    return num


def _copy(tx: Connection, mailing: Mailing, list_id: int) -> int:
    number, num, after = recipients.last_batch_number(tx, mailing.id), 0, 0
    while True:
        number += 1
        copied = list_copies.copy_batch(
            tx,
            list_id,
            mailing.id,
            number=number,
            first_seq=mailing.num_loaded + num + 1,
            most=mailing.batch_size,
            after=after,
        )
        if copied.last_member is None:
            return num
        num, after = num + copied.num_profiles, copied.last_member
