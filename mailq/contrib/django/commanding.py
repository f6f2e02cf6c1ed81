"""What the management commands share: the client, and refusals as sentences."""

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailq.client import Client, Progress
from mailq.contrib.django.sending import client
from mailq.contrib.words import line
from mailq.errors import MailqError


class Steering(BaseCommand):
    """A command that does one thing to one mailing."""

    def steer(self, mailq: Client, mailing: str) -> Progress:
        """Which thing."""
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        """Which one."""
        parser.add_argument("mailing", help="its id, or the key it was submitted with")

    def handle(self, *_: Any, mailing: str, **__: Any) -> None:
        """Do it, and say how it stands."""
        self.stdout.write(line(asked(self.steer, mailing)))


def asked(question: Callable[[Client, str], Progress], reference: str) -> Progress:
    """What the client says of a mailing.

    Raises:
        CommandError: in words, without a traceback.
    """
    try:
        with client() as mailq:
            return question(mailq, reference)
    except MailqError as error:
        raise CommandError(str(error), returncode=error.exit_code) from None
