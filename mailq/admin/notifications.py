"""Answers to calls that nobody has taken: sent once more, because an operator says so."""

from mailq.core.notification import NEXT, State
from mailq.errors import Conflict, NotFound
from mailq.store import audit, notifications, waking
from mailq.store.database import Transactions
from mailq.store.notifications import Found
from mailq.store.waking import News

__all__ = ["Found", "again"]

_WEB = ("http://", "https://")


def again(database: Transactions, organization_id: int | None, notification_id: str, *, actor: str) -> Found:
    """Let a webhook in error be tried again, as if it had never been: at once, and as often. The answer as it was until then.

    Args:
        actor: who says so, for the audit.

    Raises:
        NotFound: the organization has no such notification, or it has been pruned.
        Conflict: it is not in error, or is an e-mail that could not be made.
    """
    with database.begin() as tx:
        found = notifications.hold(tx, organization_id, notification_id)
        if found is None:
            raise NotFound(f"there is no notification `{notification_id}`; `mailqctl call show` lists those of a call")
        if State.PENDING not in NEXT[State(found.state)]:
            raise Conflict(f"notification {notification_id} is {found.state}: only one in error is sent again")
        if not found.address.startswith(_WEB):
            raise Conflict(f"notification {notification_id} is an e-mail that could not be made: {found.reply}")
        notifications.begin_again(tx, notification_id)
        facts = {"notification": notification_id, "attempts": found.attempts, "reply": found.reply}
        audit.note(tx, actor=actor, action="notification.again", details=facts)
        waking.wake(tx, News.NOTIFICATIONS)
    return found
