"""How the mails of one address look."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailq.cli.terminal import print_json, print_table

if TYPE_CHECKING:
    from mailq.store.exports import Contact


def print_contacts(contacts: "Sequence[Contact]", *, as_json: bool) -> None:
    """Each mail with its outcome: a document with everything, or a table of what customer service is asked."""
    if as_json:
        print_json([contact._asdict() for contact in contacts])
        return
    rows = [
        (each.mailing, each.name, each.state, each.skip or each.doubt, each.settled_at, each.attempts, each.reply)
        for each in contacts
    ]
    print_table(("mailing", "name", "state", "why", "settled", "tries", "reply"), rows, right=["tries"], optional=["tries"])
