"""`manage.py mailq_resume MAILING`."""

from mailq.client import Client
from mailq.contrib.django.commanding import Steering


class Command(Steering):
    """Go on with a paused mailing."""

    help = "Go on with a paused mailing."
    steer = staticmethod(Client.resume)
