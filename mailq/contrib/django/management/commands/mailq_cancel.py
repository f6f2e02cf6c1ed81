"""`manage.py mailq_cancel MAILING`."""

from mailq.client import Client, Progress
from mailq.contrib.django.commanding import Steering


class Command(Steering):
    """End a mailing for good: what has not begun is skipped."""

    help = "End a mailing for good: what has not begun is skipped."

    def steer(self, mailq: Client, mailing: str) -> Progress:
        """Do it."""
        return mailq.cancel(mailing)
