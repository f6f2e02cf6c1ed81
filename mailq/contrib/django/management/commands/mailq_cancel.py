"""`manage.py mailq_cancel MAILING`."""

from mailq.client import Client
from mailq.contrib.django.commanding import Steering


class Command(Steering):
    """End a mailing for good: what has not begun is skipped."""

    help = "End a mailing for good: what has not begun is skipped."
    steer = staticmethod(Client.cancel)
