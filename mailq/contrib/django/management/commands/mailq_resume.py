"""`manage.py mailq_resume MAILING`."""

from mailq.client import Client, Progress
from mailq.contrib.django.commanding import Steering


class Command(Steering):
    """Go on with a paused mailing."""

    help = "Go on with a paused mailing."

    def steer(self, mailq: Client, mailing: str) -> Progress:
        """Do it."""
        return mailq.resume(mailing)
