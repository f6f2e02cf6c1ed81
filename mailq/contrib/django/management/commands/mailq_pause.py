"""`manage.py mailq_pause MAILING`."""

from mailq.client import Client, Progress
from mailq.contrib.django.commanding import Steering


class Command(Steering):
    """Stop sending a mailing for now."""

    help = "Stop sending a mailing for now."

    def steer(self, mailq: Client, mailing: str) -> Progress:
        """Do it."""
        return mailq.pause(mailing)
