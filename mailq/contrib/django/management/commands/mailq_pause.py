"""`manage.py mailq_pause MAILING`."""

from mailq.client import Client
from mailq.contrib.django.commanding import Steering


class Command(Steering):
    """Stop sending a mailing for now."""

    help = "Stop sending a mailing for now."
    steer = staticmethod(Client.pause)
