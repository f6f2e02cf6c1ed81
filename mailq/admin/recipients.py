"""What customer service asks: which mails an address got, or did not get."""

from mailq.admin.addresses import key_of
from mailq.store import exports
from mailq.store.database import Transactions
from mailq.store.exports import Contact

__all__ = ["Contact", "history"]


def history(database: Transactions, organization_id: int | None, address: str) -> list[Contact]:
    """Every mail that an address was to get from the organization, the newest first, in whatever case it is written.

    Raises:
        BadInput: it is no address.
    """
    key = key_of(address)
    with database.begin() as tx:
        return exports.history(tx, key, organization_id=organization_id)
